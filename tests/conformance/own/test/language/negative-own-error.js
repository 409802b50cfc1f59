/*---
description: an error of the program own kind is told by its name
negative:
  phase: runtime
  type: Test262Error
---*/
throw new Test262Error('as it should be');
