/*---
description: numbers are written with as few digits as tell them apart
includes: [lists.js]
---*/
sameList([0.1 + 0.2, 1e21, 1e-7, -0, 123456789012345680000, 5e-324, 2 ** 53],
  ['0.30000000000000004', '1e+21', '1e-7', '0', '123456789012345680000', '5e-324', '9007199254740992']);
sameList([(255).toString(16), (0.5).toString(2), (1.005).toFixed(2), (1e-10).toFixed(2), (123.456).toPrecision(4), (0).toExponential(2)],
  ['ff', '0.1', '1.00', '0.00', '123.5', '0.00e+0']);
sameList([parseInt('08'), parseInt('0x1f'), parseFloat('3.14abc'), Number(''), Number('1_0')], [8, 31, 3.14, 0, NaN]);
