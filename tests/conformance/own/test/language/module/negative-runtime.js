/*---
description: what a module throws is told by its name
flags: [module]
negative:
  phase: runtime
  type: RangeError
---*/
await null;
throw new RangeError('as it should be');
