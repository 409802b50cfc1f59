/*---
description: each turn of a loop has bindings of its own
includes: [lists.js]
---*/
var functions = [];
for (let i = 0; i < 3; i++) functions.push(function () { return i; });
sameList(functions.map(function (f) { return f(); }), [0, 1, 2]);
