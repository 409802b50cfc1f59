// Bodies in pieces: what is asked of the host, and in which order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callWith, sandbox } from './harness.mjs';

const HEAD = { kind: 'response', status: 200, statusText: 'OK', url: 'https://h/', redirected: false, headers: [], stream: 1 };
const chunk = (text) => ({ kind: 'chunk', bytes: text === undefined ? undefined : new Uint8Array(Buffer.from(text)) });
const WRITTEN = { kind: 'written' };
const failure = (code) => ({ kind: 'error', capability: 'body', code, message: `it is ${code}` });

/** What was called, and with what; forgets it. */
function calls(box) {
  return box.state.calls.splice(0).map(({ name, args }) => [name, ...args.map((arg) => (ArrayBuffer.isView(arg) ? Buffer.from(arg).toString() : Array.isArray(arg) ? [...arg] : arg))]);
}

/** The last operation under way completes with `outcome`. */
async function complete(box, outcome) {
  const last = box.state.calls.findLast((call) => call.name === 'bodyRead' || call.name === 'bodyWrite' || call.name === 'httpSend');
  box.driver.complete(last.id, outcome);
  await box.settle();
}

test('a response is read chunk by chunk, and closed at its end', async () => {
  const box = sandbox();
  const text = box.run("fetch('https://h/').then((response) => response.text())");
  await complete(box, HEAD);
  for (const part of ['a', 'b\u00f6', undefined]) {
    assert.equal(box.state.calls.filter((call) => call.name === 'bodyRead').length, 1, 'one read at a time');
    const [read] = box.state.calls.filter((call) => call.name === 'bodyRead');
    box.state.calls = box.state.calls.filter((call) => call.name === 'bodyClose');
    box.driver.complete(read.id, chunk(part));
    await box.settle();
  }
  assert.equal(await text, 'ab\u00f6');
  assert.deepEqual(calls(box), [['bodyClose', 1]]);
  assert.equal(box.driver.outstanding(), 0);
});

test('a body that breaks off rejects as fetch does', async () => {
  const box = sandbox();
  const text = box.run("fetch('https://h/').then((response) => response.text())");
  const caught = text.catch((e) => e);
  await complete(box, HEAD);
  await complete(box, failure('broken'));
  const error = await caught;
  assert.deepEqual([error.name, error.cause.code, error.cause.capability], ['TypeError', 'broken', 'body']);
});

test('an abort gives the read and the stream up', async () => {
  const box = sandbox();
  const text = box.run("globalThis.c = new AbortController(); fetch('https://h/', { signal: c.signal }).then((response) => response.text())");
  await complete(box, HEAD);
  const read = box.state.calls.at(-1).id;
  box.run("c.abort(new Error('enough'))");
  await assert.rejects(text, /enough/);
  assert.deepEqual([...box.state.cancelled], [read]);
  assert.deepEqual(calls(box).at(-1), ['bodyClose', 1]);
  assert.equal(box.driver.outstanding(), 0);
});

test('both clones of a response have all of it', async () => {
  const box = sandbox();
  const both = box.run("fetch('https://h/').then((response) => { const other = response.clone(); return Promise.all([response.text(), other.text()]); })");
  await complete(box, HEAD);
  for (const part of ['a', 'b', undefined]) await complete(box, chunk(part));
  assert.deepEqual([...(await both)], ['ab', 'ab']);
  assert.equal(box.state.calls.filter((call) => call.name === 'bodyRead').length, 3);
});

test('a request is written when the host has taken what went before', async () => {
  const box = sandbox();
  const sent = box.run(`fetch('https://h/', { method: 'POST', body: (async function* () {
    yield new Uint8Array([97]); yield new Uint8Array(0); yield new Uint8Array([98]);
  })() })`);
  await box.settle();
  assert.deepEqual(calls(box), [['bodyOpen'], ['httpSend', 'POST', 'https://h/', [], 1, 0, undefined], ['bodyWrite', 1, 'a']]);
  box.driver.complete(3, WRITTEN);
  await box.settle();
  assert.deepEqual(calls(box), [['bodyWrite', 1, 'b']]);
  box.driver.complete(4, WRITTEN);
  await box.settle();
  assert.deepEqual(calls(box), [['bodyClose', 1]]);
  box.driver.complete(2, { ...HEAD, stream: undefined, body: new Uint8Array(0) });
  assert.equal((await sent).status, 200);
});

test('a request whose body throws is given up with that error', async () => {
  const box = sandbox();
  const sent = box.run("fetch('https://h/', { method: 'POST', body: (async function* () { throw new RangeError('no more'); })() })");
  await assert.rejects(sent, { name: 'RangeError', message: 'no more' });
  assert.deepEqual(calls(box).at(-1), ['bodyAbort', 1, 'RangeError: no more']);
  assert.deepEqual([...box.state.cancelled], [2]);
  const wrong = box.run("fetch('https://h/', { method: 'POST', body: (async function* () { yield 'text'; })() })");
  await assert.rejects(wrong, /not a Uint8Array/);
});

test('a streamed response goes out head first; a caller who has gone cancels its source', async () => {
  const box = sandbox();
  const reply = callWith(box, `{ default: () => new Response((async function* () {
    try { for (;;) yield new Uint8Array([97]); } finally { globalThis.ended = true; }
  })(), { status: 201, headers: { a: 'b' } }) }`);
  await box.settle();
  assert.deepEqual(calls(box), [['bodyOpen'], ['respond', 201, ['a', 'b'], 1], ['bodyWrite', 1, 'a']]);
  box.driver.complete(3, WRITTEN);
  await box.settle();
  box.driver.complete(4, failure('closed'));
  assert.equal(await reply, true);
  assert.equal(box.run('ended'), true);
});

test('large chunks are written in parts', async () => {
  const box = sandbox();
  const reply = callWith(box, '{ default: () => new Response((async function* () { yield new Uint8Array(600_000); })()) }');
  const lengths = [];
  for (let i = 0; i < 3; i++) {
    await box.settle();
    lengths.push(box.state.calls.at(-1).args[1].length);
    await complete(box, WRITTEN);
  }
  assert.equal(await reply, true);
  assert.deepEqual(lengths, [262_144, 262_144, 75_712]);
});
