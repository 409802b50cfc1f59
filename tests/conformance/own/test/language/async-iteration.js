/*---
description: for await takes promises and closes what it leaves
flags: [async]
---*/
var closed = false;
async function* numbers() { try { yield 1; yield Promise.resolve(2); yield 3; } finally { closed = true; } }
(async function () {
  var sum = 0;
  for await (var n of numbers()) { sum += n; if (n === 2) break; }
  for await (var m of [Promise.resolve(10), 20]) sum += m;
  assert.sameValue(sum, 33);
  assert.sameValue(closed, true);
})().then($DONE, $DONE);
