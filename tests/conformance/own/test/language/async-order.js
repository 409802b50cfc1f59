/*---
description: jobs run in the order they were made
flags: [async]
includes: [lists.js]
---*/
var order = [];
(async function () { order.push(1); await null; order.push(3); await new Promise(function (resolve) { resolve(); }); order.push(5); })()
  .then(function () { sameList(order, [1, 2, 3, 4, 5]); }).then($DONE, $DONE);
order.push(2);
Promise.resolve().then(function () { order.push(4); });
