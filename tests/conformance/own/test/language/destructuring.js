/*---
description: patterns take defaults, rests, computed names and nested values
includes: [lists.js]
---*/
var key = 'b';
var { a = 1, [key]: { c = 2 } = {}, ...rest } = { d: 4, e: 5 };
var [x, , y = x, ...z] = [1, 2, undefined, 4, 5];
sameList([a, c, rest.d + rest.e, x, y, z.length], [1, 2, 9, 1, 1, 2]);
[x, y] = [y, x + 6];
sameList([x, y], [1, 7]);
assert.throws(TypeError, function () { var { q } = null; });
