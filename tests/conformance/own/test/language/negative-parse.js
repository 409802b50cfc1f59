/*---
description: an early error is found before anything runs
negative:
  phase: parse
  type: SyntaxError
---*/
$DONOTEVALUATE();
let a; let a;
