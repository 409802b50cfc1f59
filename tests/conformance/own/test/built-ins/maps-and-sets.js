/*---
description: maps and sets keep their order, and have set operations
includes: [lists.js]
---*/
var map = new Map([[NaN, 1], [-0, 2]]);
sameList([map.get(NaN), map.get(0), Object.is([...map.keys()][1], 0)], [1, 2, true]);
var visited = [], set = new Set([1, 2]);
set.forEach(function (n) { visited.push(n); if (n < 3) set.add(n + 2); });
sameList(visited, [1, 2, 3, 4]);
sameList(new Set([1, 2]).union(new Set([2, 3])), [1, 2, 3]);
assert.sameValue(new Set([1]).isSubsetOf(new Set([1, 2])), true);
var weak = new WeakMap(), key = {};
weak.set(key, 1);
assert.sameValue(weak.get(key), 1);
assert.throws(TypeError, function () { weak.set(1, 1); });
