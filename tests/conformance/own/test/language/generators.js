/*---
description: generators give and take values, and clean up
includes: [lists.js]
---*/
var log = [];
function* inner() { try { log.push(yield 1); log.push(yield 2); } finally { log.push('cleaned'); } return 'end'; }
function* outer() { log.push(yield* inner()); }
var it = outer();
assert.sameValue(it.next().value, 1);
assert.sameValue(it.next('a').value, 2);
assert.sameValue(it.next('b').done, true);
for (var value of inner()) { if (value === 1) break; }
sameList(log, ['a', 'b', 'cleaned', 'end', 'cleaned']);
