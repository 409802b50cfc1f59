/*---
description: dates are counted in UTC, and read from text
---*/
assert.sameValue(Date.UTC(2024, 1, 29), 1709164800000);
assert.sameValue(new Date(Date.UTC(2023, 0, 31)).toISOString(), '2023-01-31T00:00:00.000Z');
var date = new Date(Date.UTC(2023, 0, 31));
date.setUTCMonth(1);
assert.sameValue(date.toISOString(), '2023-03-03T00:00:00.000Z');
assert.sameValue(Date.parse('2024-02-29T12:00:00+01:30'), Date.UTC(2024, 1, 29, 10, 30));
assert.sameValue(isNaN(Date.parse('2023-02-30T25:00Z')), true);
assert.throws(RangeError, function () { new Date(NaN).toISOString(); });
assert.sameValue(new Date(8.64e15 + 1).getTime(), NaN);
