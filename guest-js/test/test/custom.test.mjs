// Mocks of a host's own capabilities; tests/e2e/testing/custom.rs has them in the sandbox.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failures } from './harness.mjs';

const ASKED = { custom: ['greet', 'mail'] };
const APPLET = { ...ASKED, applet: '{ main: async (context, name) => { try { return await context.sdk.greet[name](); } catch (error) { return error.message; } } }', handlers: [{ name: 'main', export: 'main', type: 'call' }] };

test('functions are called with JSON, and errors are those of capabilities', async () => {
  assert.deepEqual(await failures(`
    const greet = mock.custom('greet', { hello: ({ name }) => ({ text: 'Hello ' + name, at: new Date(0) }), fails: () => { throw new CallError('no', 'not you'); } });
    expect(await sdk.greet.hello({ name: 'Ada', left: undefined })).toEqual({ text: 'Hello Ada', at: '1970-01-01T00:00:00.000Z' });
    await expect(sdk.greet.fails()).rejects.toMatchObject({ name: 'SdkError', code: 'no', message: 'not you', capability: 'greet' });
    expect(greet.calls).toEqual([{ name: 'hello', argument: { name: 'Ada' } }, { name: 'fails', argument: null }]);
    expect(['greet' in sdk, 'hello' in sdk.greet, 'bye' in sdk.greet]).toEqual([true, true, false]);`, ASKED), []);
});

test('what is not mocked fails the test, whoever catches it', async () => {
  const message = "TypeError: sdk.greet.bye is not mocked (mocked are greet.hello): say what it answers with mock.custom('greet', { bye: (argument) => … })";
  for (const body of ["await sdk.greet.bye();", "expect(await call('main', 'bye')).toMatch('not mocked');"]) {
    assert.deepEqual(await failures(`mock.custom('greet', { hello: () => 1 }); ${body}`, APPLET), [message]);
  }
});

test('of what the host offers what is not mocked is the host\'s', async () => {
  const offered = ['mail', ['send']];
  assert.deepEqual(await failures("expect(await sdk.mail.send(1)).toBe('mail.send of the host got 1'); expect('greet' in sdk).toBe(true);", { ...ASKED, offered }), []);
  assert.deepEqual(await failures("mock.custom('mail', { send: () => 'mocked' }); expect(await sdk.mail.send(1)).toBe('mocked');", { ...ASKED, offered }), []);
});
