/*---
description: a module may wait, and who imports it waits for it
flags: [module]
---*/
import { value } from './top-level-await_FIXTURE.js';
assert.sameValue(value, 5);
var later = await import('./bindings_FIXTURE.js');
assert.sameValue(later.count, 0);
assert.sameValue(await import('./none_FIXTURE.js').then(function () { return 'loaded'; }, function (error) { return error instanceof Error; }), true);
