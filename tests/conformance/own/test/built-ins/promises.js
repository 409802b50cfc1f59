/*---
description: combinators of promises
flags: [async]
includes: [lists.js]
---*/
var slow = Promise.withResolvers();
Promise.all([
  Promise.allSettled([Promise.reject(1), 2]).then(function (all) { sameList(all.map(function (one) { return one.status; }), ['rejected', 'fulfilled']); }),
  Promise.any([Promise.reject(1), slow.promise]).then(function (value) { assert.sameValue(value, 'slow'); }),
  Promise.any([Promise.reject(1)]).then(function () { throw new Test262Error('it resolves'); }, function (error) { assert.sameValue(error instanceof AggregateError, true); }),
  Promise.race([slow.promise, new Promise(function () {})]).then(function (value) { assert.sameValue(value, 'slow'); }),
  Promise.resolve({ then: function (resolve) { resolve(3); } }).finally(function () { return 4; }).then(function (value) { assert.sameValue(value, 3); }),
]).then(function () { $DONE(); }, $DONE);
slow.resolve('slow');
