/*---
description: a strict function without a receiver has undefined
flags: [onlyStrict]
---*/
function self() { return this; }
assert.sameValue(self(), undefined);
assert.throws(ReferenceError, function () { undeclared = 1; });
assert.throws(TypeError, function () { Object.freeze([1]).push(2); });
