/*---
description: modules are strict, and have no this
flags: [module]
---*/
assert.sameValue(this, undefined);
assert.sameValue((function () { return this; })(), undefined);
assert.sameValue(typeof import.meta, 'object');
