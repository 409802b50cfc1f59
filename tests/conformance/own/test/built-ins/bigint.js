/*---
description: whole numbers of any size
---*/
assert.sameValue(2n ** 100n, 1267650600228229401496703205376n);
assert.sameValue(-7n / 2n, -3n);
assert.sameValue(-7n % 2n, -1n);
assert.sameValue(BigInt.asIntN(8, 255n), -1n);
assert.sameValue(BigInt('0xff').toString(2), '11111111');
assert.throws(TypeError, function () { 1n + 1; });
assert.throws(RangeError, function () { 1n / 0n; });
