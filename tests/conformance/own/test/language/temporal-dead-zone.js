/*---
description: a lexical binding cannot be read before its declaration
---*/
assert.throws(ReferenceError, function () { early; let early = 1; });
assert.throws(ReferenceError, function () { typeof later; const later = 1; });
assert.throws(TypeError, function () { const fixed = 1; fixed = 2; });
