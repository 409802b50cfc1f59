/*---
description: an import that leads to no export is found before anything runs
flags: [module]
negative:
  phase: resolution
  type: SyntaxError
---*/
$DONOTEVALUATE();
import { missing } from './bindings_FIXTURE.js';
