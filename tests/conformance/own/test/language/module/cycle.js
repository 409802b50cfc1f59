/*---
description: modules may import each other
flags: [module]
---*/
import { even } from './cycle_FIXTURE.js';
export function odd(n) { return n === 0 ? false : even(n - 1); }
assert.sameValue(even(10), true);
assert.sameValue(odd(10), false);
