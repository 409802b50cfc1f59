// The library as one script, for its own tests (test/harness.mjs); no bundle of an applet's has it.

import { makeRunner } from './run.ts';
import { beginFile } from './suite.ts';
import * as api from './index.ts';

export default { ...api, beginFile, makeRunner };
