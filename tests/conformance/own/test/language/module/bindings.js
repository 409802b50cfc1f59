/*---
description: imports are live, default and namespace included
flags: [module]
---*/
import increase, { count, inner as renamed } from './bindings_FIXTURE.js';
import * as all from './bindings_FIXTURE.js';
import * as self from './bindings.js';
export const own = 1;
assert.sameValue(count, 0);
increase();
assert.sameValue(count, 1);
assert.sameValue(all.count, 1);
assert.sameValue(renamed(), 'inner');
assert.sameValue(self.own, 1);
assert.sameValue(Object.keys(all).join(), 'count,default,inner');
assert.throws(TypeError, function () { all.count = 5; });
