/*---
description: a sloppy function without a receiver has the global object
flags: [noStrict]
---*/
function self() { return this; }
assert.sameValue(self(), globalThis);
undeclared = 1;
assert.sameValue(delete globalThis.undeclared, true);
function echo(a) { a = 2; return arguments[0]; }
assert.sameValue(echo(1), 2);
