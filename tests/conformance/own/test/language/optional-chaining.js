/*---
description: a chain ends at what is nullish, and evaluates nothing more
---*/
var calls = 0;
var none = null, some = { f() { return this.g; }, g: 5 };
assert.sameValue(none?.x[calls++].y(calls++), undefined);
assert.sameValue(calls, 0);
assert.sameValue(some?.f?.(), 5);
assert.sameValue(some.h?.(), undefined);
assert.sameValue(none ?? 0 ?? 1, 0);
some.g &&= 6; some.h ??= 7; some.g ||= 8;
assert.sameValue(some.g * some.h, 42);
