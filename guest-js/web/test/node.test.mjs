// Node's modules in the sandbox, beside Node's own: the same programs must print the same.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { drain, sandbox } from './harness.mjs';

const programs = join(dirname(fileURLToPath(import.meta.url)), 'node');

/** What a program prints: `print` gives a line, `load` a module. Errors are printed by code and message. */
async function output(source, globals, settle) {
  const lines = [];
  const print = (...args) => void lines.push(args.map(String).join(' '));
  const promise = vm.runInContext(`(async (load, print, attempt) => {${source}\n})`, globals)(
    (name) => globals.process.getBuiltinModule(name), print,
    (call) => {
      try {
        print(globals.process.getBuiltinModule('util').inspect(call()));
      } catch (error) {
        print(error.name, error.code, error.message);
      }
    });
  await settle(promise);
  await promise;
  return lines;
}

for (const file of readdirSync(programs).sort()) { // No .js: node would take them for tests.
  test(file.replace('.script', ''), async () => {
    const source = readFileSync(join(programs, file), 'utf8');
    const box = sandbox();
    const ours = await output(source, box.context, async (promise) => {
      let done = false;
      promise.then(() => (done = true), () => (done = true));
      await drain(box);
      for (let i = 0; i < 100 && !done; i++) await drain(box);
    });
    const expected = await nodeOutput(source);
    assert.deepEqual(ours, expected);
    assert.ok(ours.length > 0);
  });
}

async function nodeOutput(source) {
  const { createRequire } = await import('node:module');
  const require = createRequire(import.meta.url);
  const { inspect } = require('node:util');
  const lines = [];
  const print = (...args) => void lines.push(args.map(String).join(' '));
  const attempt = (call) => {
    try {
      print(inspect(call()));
    } catch (error) {
      print(error.name, error.code, error.message);
    }
  };
  await new Function('load', 'print', 'attempt', `return (async () => {${source}\n})()`)(require, print, attempt);
  return lines;
}

test('Node\'s modules come into being when they are asked for', () => {
  const box = sandbox();
  assert.equal(box.run("typeof Object.getOwnPropertyDescriptor(globalThis, 'Buffer').get"), 'function');
  assert.equal(box.run("process.getBuiltinModule('node:fs')"), undefined);
  assert.equal(box.run("process.getBuiltinModule('node:events') === process.getBuiltinModule('events')"), true);
  assert.deepEqual([...box.driver.builtinModule('node:path/posix')].includes('join'), true);
  assert.equal(box.driver.builtinModule('zlib'), undefined);
});
