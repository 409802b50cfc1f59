/*---
description: arrays; copies, holes, searches, species
includes: [lists.js]
---*/
var list = [3, 1, 2];
sameList(list.toSorted(), [1, 2, 3]);
sameList(list.with(-1, 9), [3, 1, 9]);
sameList(list.toSpliced(0, 1, 'a', 'b'), ['a', 'b', 1, 2]);
sameList(list, [3, 1, 2]);
assert.sameValue(list.at(-1), 2);
assert.sameValue(list.findLast(function (n) { return n > 1; }), 2);
assert.sameValue([, 1].indexOf(undefined), -1);
assert.sameValue([, 1].includes(undefined), true);
sameList([1, [2, [3, [4]]]].flat(Infinity), [1, 2, 3, 4]);
assert.sameValue(Object.groupBy([1, 2, 3], function (n) { return n % 2 ? 'odd' : 'even'; }).odd.length, 2);
class Mine extends Array {}
assert.sameValue(new Mine(1, 2).map(String) instanceof Mine, true);
