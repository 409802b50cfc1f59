/*---
description: iterators are lazy, and are closed
includes: [lists.js]
---*/
var taken = [], closed = false;
function* numbers() { try { for (var n = 1; ; n++) { taken.push(n); yield n; } } finally { closed = true; } }
sameList(numbers().filter(function (n) { return n % 2; }).map(function (n) { return n * n; }).take(2).toArray(), [1, 9]);
sameList(taken, [1, 2, 3]);
assert.sameValue(closed, true);
assert.sameValue(Iterator.from([1, 2, 3]).drop(1).reduce(function (a, b) { return a + b; }), 5);
