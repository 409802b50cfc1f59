// What `belljar replay --fixture` has written; tests/e2e/testing/recorded.rs has it in the sandbox.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failures } from './harness.mjs';

test('functions are answered by their arguments, in the order in which they were asked', async () => {
  const calls = [[{ a: 1, b: [2] }, 'one'], [null, 'none'], [{ a: 1, b: [2] }, 'two']].map(([argument, answer]) => ({ capability: 'greet', function: 'hello', argument, answer }));
  const error = { code: 'limit', message: 'too much', limit: 'custom.calls_max', allowed: 1, used: 2 };
  const recording = { handler: 'main', http: [], custom: [...calls, { capability: 'greet', function: 'bye', argument: null, error }] };
  assert.deepEqual(await failures(`
    mock.recorded(${JSON.stringify(recording)});
    const asked = [];
    for (const argument of [{ b: [2], a: 1 }, undefined, { a: 1, b: [2] }, { a: 1, b: [2] }]) asked.push(await sdk.greet.hello(argument));
    expect(asked).toEqual(['one', 'none', 'two', 'two']);
    await expect(sdk.greet.bye()).rejects.toMatchObject(${JSON.stringify({ ...error, capability: 'greet' })});`, { custom: ['greet'] }), []);
});
