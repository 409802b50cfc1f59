// Runs a program in Node as a global script, as the sandbox does: no `require`, no module scope. Usage: node node.cjs FILE
'use strict';
const { readFileSync } = require('node:fs');
const { runInThisContext } = require('node:vm');

Object.defineProperty(globalThis, 'belljarEnd', { value: () => process.exit(0), configurable: true });
runInThisContext(readFileSync(process.argv[2], 'utf8'), { filename: process.argv[2] });
