/*---
description: an error at run time is told by its name
negative:
  phase: runtime
  type: TypeError
---*/
null.x;
