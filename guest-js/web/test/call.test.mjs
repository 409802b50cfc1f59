// Handlers: shapes, payloads, results, failures.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callWith, request, sandbox } from './harness.mjs';

const JSON_TYPE = ['content-type', 'application/json'];

function reasonOf(box, act) {
  try {
    act();
  } catch (error) {
    return box.driver.report(error);
  }
  throw new Error('it did not throw');
}

test('a synchronous handler answers without a promise', () => {
  const box = sandbox();
  assert.equal(callWith(box, '{ default: (context, p) => ({ t: context.tenant, n: p.n + 1 }) }', { json: '{"n":1}' }), '{"t":"acme","n":2}');
  assert.equal(callWith(box, '{ default() {} }'), undefined);
});

test('the named export is preferred, the default is the fallback, module.exports is looked into', () => {
  const box = sandbox();
  assert.equal(callWith(box, '{ hello: () => 1, default: () => 2 }', { export: 'hello' }), '1');
  assert.equal(callWith(box, '{ default: () => 2 }', { export: 'hello' }), '2');
  assert.equal(callWith(box, '{ default: { hello() { return this.n }, n: 3 } }', { export: 'hello' }), '3');
});

test('missing and unsuitable handlers have reason 1', () => {
  const box = sandbox();
  assert.equal(reasonOf(box, () => callWith(box, '{}', { export: 'x' })).reason, 1);
  const failure = reasonOf(box, () => callWith(box, '{ default: { fetch() {} } }'));
  assert.equal(failure.reason, 1);
  assert.match(failure.errors[0].message, /only fetch.*call it with an HTTP request/);
  assert.equal(reasonOf(box, () => callWith(box, '{ default: { scheduled() {} } }', { request: request('GET', 'https://h/', []), trigger: 'http' })).reason, 1);
});

test('the payload of an http request follows its content type', () => {
  const box = sandbox();
  const echo = '{ default: (context, payload) => [typeof payload, payload ?? null] }';
  const send = (headers, body) => callWith(box, echo, { trigger: 'http', request: request('POST', 'https://h/x', headers, body) });
  assert.equal(send(JSON_TYPE, '{"a":1}'), '["object",{"a":1}]');
  assert.equal(send(['content-type', 'application/vnd.x+json; charset=utf-8'], '[1]'), '["object",[1]]');
  assert.equal(send(['content-type', 'text/plain'], '{"a":1}'), '["string","{\\"a\\":1}"]');
  assert.equal(send([], undefined), '["undefined",null]');
  assert.equal(reasonOf(box, () => send(JSON_TYPE, '{"a":')).reason, 2);
  assert.equal(reasonOf(box, () => callWith(box, echo, { json: '{' })).reason, 2);
});

test('a handler with one parameter reads the raw request', async () => {
  const box = sandbox();
  const reply = await callWith(box, '{ default: async (context) => context.json({ raw: await context.request.text(), m: context.request.method }, 202) }',
    { trigger: 'http', request: request('POST', 'https://h/x', JSON_TYPE, '{not json') });
  assert.equal(reply.status, 202);
  assert.deepEqual([...reply.headers], ['content-type', 'application/json']);
  assert.equal(Buffer.from(reply.body).toString(), '{"raw":"{not json","m":"POST"}');
});

test('fetch, scheduled and queue are called by trigger', async () => {
  const box = sandbox();
  const applet = `{ default: {
    async fetch(request, env, ctx) { return new Response(request.url + ' ' + typeof env.sdk.db.query + ' ' + ctx.tenant, { status: 201, headers: { 'X-A': 'b' } }); },
    scheduled(event) { return event.cron; },
    queue(batch) { if (batch.messages[0].body === 'again') batch.messages[0].retry(); return batch.messages.length; },
  } }`;
  const reply = await callWith(box, applet, { trigger: 'http', request: request('GET', 'https://h/p?q=1', []) });
  assert.equal(reply.status, 201);
  assert.equal(Buffer.from(reply.body).toString(), 'https://h/p?q=1 function acme');
  assert.equal(callWith(box, applet, { trigger: 'schedule', json: '{"cron":"* * * * *"}' }), '"* * * * *"');
  assert.equal(callWith(box, applet, { trigger: 'event', json: '{}' }), '1');
  assert.equal(reasonOf(box, () => callWith(box, applet, { trigger: 'event', json: '"again"' })).reason, 0);
  assert.equal(reasonOf(box, () => callWith(box, '{ default: { fetch() { return {} } } }', { request: request('GET', 'https://h/', []) })).reason, 3);
});

test('results that cannot be sent have reason 3 and say where', () => {
  const box = sandbox();
  const check = (code, expected) => {
    const failure = reasonOf(box, () => callWith(box, `{ default: () => { ${code} } }`));
    assert.equal(failure.reason, 3, failure.errors[0].message);
    assert.match(failure.errors[0].message, expected);
  };
  check('return { rows: [{ id: 1n }] }', /BigInt at result\.rows\[0\]\.id/);
  check('const a = { b: {} }; a.b.c = a; return a', /cycle: result\.b\.c/);
  check('return () => 1', /a function/);
  check('return Symbol("s")', /a symbol/);
  check('return Response.error()', /status 0/);
  check('const r = new Response("x"); r.text(); return r', /already been read/);
});

test('what toJSON throws is the applet\'s throw', () => {
  const box = sandbox();
  const failure = reasonOf(box, () => callWith(box, '{ default: () => ({ toJSON() { throw new RangeError("mine") } }) }'));
  assert.equal(failure.reason, 0);
  assert.equal(failure.errors[0].name, 'RangeError');
});

test('the reply waits for waitUntil, whose rejections are logged', async () => {
  const box = sandbox();
  const pending = callWith(box, `{ default({ waitUntil, sdk }) {
    waitUntil(sdk.db.execute('a').then(() => waitUntil(Promise.reject(new Error('late'))))); return 1; } }`);
  let settled = false;
  pending.then(() => { settled = true; });
  await box.settle();
  assert.equal(settled, false);
  box.driver.complete(1, { kind: 'changes', changes: 1, lastInsertRowid: 1 });
  assert.equal(await pending, '1');
  assert.match(box.state.logs[0].message, /waitUntil: Error: late/);
});

test('a handler that throws still lets waitUntil finish', async () => {
  const box = sandbox();
  const pending = callWith(box, '{ default({ waitUntil, sdk }) { waitUntil(sdk.db.execute("a")); throw new Error("no"); } }');
  assert.equal(box.driver.outstanding(), 1);
  box.driver.complete(1, { kind: 'changes', changes: 1, lastInsertRowid: 1 });
  await assert.rejects(pending, /no/);
});

test('the context is frozen, lazy and usable without this', () => {
  const box = sandbox();
  const text = callWith(box, `{ default(context) { 'use strict';
    const { json, tenant, user, organisation, permissions, deadline, invocationId, signal } = context;
    let frozen = 0; try { context.tenant = 'other' } catch { frozen++ } try { context.x = 1 } catch { frozen++ } try { permissions.push('b') } catch { frozen++ }
    return { tenant, user, o: organisation ?? null, permissions, deadline, invocationId, frozen, aborted: signal.aborted, same: context.signal === signal, sdk: context.sdk === sdk, r: context.request ?? null };
  } }`);
  assert.deepEqual(JSON.parse(text), {
    tenant: 'acme', user: 'u1', o: null, permissions: ['a'], deadline: 1_700_000_030_000, invocationId: 'inv-1', frozen: 3, aborted: false, same: true, sdk: true, r: null,
  });
});

test('problems are JSON with a code', () => {
  const box = sandbox();
  const reply = callWith(box, '{ default: (c) => c.notFound("no such order") }');
  assert.equal(reply.status, 404);
  assert.deepEqual(JSON.parse(Buffer.from(reply.body).toString()), { error: { code: 'not_found', message: 'no such order' } });
});

test('thenables are awaited', async () => {
  const box = sandbox();
  assert.equal(await callWith(box, '{ default: () => ({ then(f) { f({ a: 1 }) } }) }'), '{"a":1}');
});

test('a failure tells causes and gathered errors with the one they belong to', () => {
  const box = sandbox();
  const told = (code) => [...box.driver.report(box.run(code)).errors].map((e) => [e.message, e.role, e.parent]);
  assert.deepEqual(told("new AggregateError([new Error('a', { cause: new Error('c') }), 'b'], 'all', { cause: new Error('d') })"),
    [['all', 0, 0], ['d', 1, 0], ['a', 2, 0], ['b', 2, 0], ['c', 1, 2]]);
  assert.deepEqual(told("Object.assign(new Error('s'), { error: new Error('later'), suppressed: new Error('sooner') })"),
    [['s', 0, 0], ['later', 2, 0], ['sooner', 2, 0]]);
  const many = told("new AggregateError(Array.from({ length: 40 }, (_, n) => new Error(`${n}`)), 'many')");
  assert.equal(many.length, 16);
  assert.equal(many[0][0], 'many (25 more errors are not told)');
});

test('what is thrown and no error is told with where it was thrown', () => {
  const box = sandbox();
  box.native.thrownStack = (value) => (value === 'text' ? '    at f (bundle.mjs:1:2)\n' : '');
  assert.deepEqual([...box.driver.report('text').errors].map((e) => [e.name, e.message, e.stack]), [['Uncaught', 'text', '    at f (bundle.mjs:1:2)\n']]);
  assert.equal(box.driver.report(box.run("({ name: 'Odd', message: 'no stack' })")).errors[0].stack, '');
});

test('messages are answered one by one', async () => {
  const box = sandbox();
  const messages = ['1', '"x"'].map((json, n) => ({ id: `m${n}`, publishedMs: 1000 + n, attempt: n + 1, json }));
  const say = (queue) => callWith(box, `{ default: { queue: ${queue} } }`, { trigger: 'event', json: undefined, messages });
  assert.equal(say('() => 1'), '{"retry":[]}');
  assert.equal(say('({ messages: [a, b] }) => { a.retry({ delaySeconds: 86400 * 30 }); b.ack(); b.retry(); }'), '{"retry":[{"id":"m0","delayMs":2592000000}]}');
  assert.equal(await say('async (batch) => { batch.messages[1].ack(); await 0; batch.retryAll(); }'), '{"retry":[{"id":"m0"}]}');
  assert.equal(say('({ messages }) => { throw new Error(JSON.stringify(messages)) }'.replace('throw new Error(', 'globalThis.seen = (')), '{"retry":[]}');
  assert.equal(box.run('seen'), '[{"id":"m0","timestamp":"1970-01-01T00:00:01.000Z","attempts":1,"body":1},{"id":"m1","timestamp":"1970-01-01T00:00:01.001Z","attempts":2,"body":"x"}]');
  assert.match(reasonOf(box, () => say('({ messages }) => messages[0].retry({ delaySeconds: -1 })')).errors[0].message, /delaySeconds/);
  assert.match(reasonOf(box, () => callWith(box, '{ default: (context, payload) => payload }', { trigger: 'event', json: undefined, messages })).errors[0].message, /one message at a time/);
  const one = { trigger: 'event', json: undefined, messages: messages.slice(1), eventId: 'm1' };
  assert.equal(callWith(box, '{ default: (context, payload) => { globalThis.seen = [payload, context.eventId].join(); return { retry: [] } } }', one), '{"retry":[]}');
  assert.equal(box.run('seen'), 'x,m1');
});

test('configuration and parameters are frozen, and fill the environment', () => {
  const box = sandbox();
  const applet = `{ default: (context) => [context.params.id, Object.isFrozen(context.params), context.config.list?.[0], Object.isFrozen(context.config.list ?? context.config),
    process.env.RATE, process.env.list, sdk.config.get('hasOwnProperty') === undefined, context.attempt] }`;
  assert.equal(callWith(box, applet, {}), '[null,true,null,true,null,null,true,1]');
  assert.equal(callWith(box, applet, { config: '{"list":[1],"RATE":2}', params: ['id', 'x'], attempt: 3 }), '["x",true,1,true,"2","[1]",true,3]');
  // What was taken at the top is the object that a call fills.
  const late = sandbox();
  late.run('globalThis.env = process.env');
  assert.equal(callWith(late, '{ default: () => [env.A, env === process.env, env.NODE_ENV] }', { config: '{"A":"b"}' }), '["b",true,"production"]');
});
