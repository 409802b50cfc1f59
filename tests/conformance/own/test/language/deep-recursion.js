/*---
description: recursion without an end is an error that can be caught
---*/
function down() { return down() + 1; }
assert.throws(RangeError, down);
