/*---
description: a script may import modules
flags: [async]
---*/
import('./bindings_FIXTURE.js').then(function (all) {
  all.default();
  assert.sameValue(all.count, 1);
}).then($DONE, $DONE);
