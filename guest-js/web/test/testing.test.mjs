// Calls within the call of a test: the driver's part of `belljar test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callWith, request, sandbox } from './harness.mjs';

const APPLET = `
  default: (context, p) => ({ user: context.user, tenant: context.tenant, locale: context.locale, permissions: context.permissions, config: context.config, p }),
  hook: (context, p) => context.json({ path: context.request.url, params: context.params, p }, 201),
  plain: () => ({ a: 1 }),
  bad: () => 1n,
  fails: () => { throw new RangeError('no'); },
  waits: (context) => { context.waitUntil(Promise.resolve().then(() => { globalThis.waited = true; })); return 1; },
  worker: { fetch: () => 1, queue(batch) { batch.messages[1].retry({ delaySeconds: 2 }); } },`;

/** Runs the body of a test: `t` is what the driver gives, `call(handler, rest)` its call. */
async function inTest(body, box = sandbox()) {
  const code = `{ ${APPLET} belljar$test: async (payload, t) => {
    const call = (handler, rest = {}) => t.call({ handler, export: handler, trigger: 'one-off', caller: {}, ...rest });
    ${body}
  } }`;
  const answer = await callWith(box, code, { trigger: 'test', export: 'belljar$test', json: '{"n":1}' });
  return answer === undefined ? undefined : JSON.parse(answer);
}

test('a test is given its payload, and calls handlers as other callers', async () => {
  assert.deepEqual(await inTest(`return [payload, await call('default', { json: '[1]', caller: { user: 'u9', permissions: ['p'], locale: 'de' }, config: '{"c":1}' })];`), [
    { n: 1 },
    { user: 'u9', tenant: 'acme', locale: 'de', permissions: ['p'], config: { c: 1 }, p: [1] },
  ]);
  // The next one is not the one before.
  assert.deepEqual(await inTest(`await call('default', { json: '1', caller: { user: 'u9' }, config: '{"c":1}' }); return call('default', { json: '2' });`),
    { user: 'u1', tenant: 'acme', locale: 'en', permissions: ['a'], config: {}, p: 2 });
});

test('a request is answered by a Response, whatever the handler returns', async () => {
  const box = sandbox();
  box.context.sent = request('POST', 'https://h/a/7', ['content-type', 'application/json'], '{"x":1}');
  assert.deepEqual(await inTest(`
    const hook = await call('hook', { trigger: 'http', request: sent, params: ['id', '7'] });
    const plain = await call('plain', { trigger: 'http', request: { ...sent, body: undefined } });
    return [hook.status, await hook.json(), plain.status, plain.headers.get('content-type'), await plain.json()];`, box), [
    201, { path: 'https://h/a/7', params: { id: '7' }, p: { x: 1 } }, 200, 'application/json', { a: 1 },
  ]);
});

test('failures are those of the handler itself', async () => {
  assert.deepEqual(await inTest(`
    const failed = [];
    for (const name of ['fails', 'bad', 'nowhere']) await call(name, { json: 'null' }).catch((error) => failed.push(error.name + ': ' + error.message));
    return failed.slice(0, 2).concat(t.report(new TypeError('x')).errors[0].name, failed.length);`), [
    'RangeError: no', 'HandlerError: the result cannot be sent as JSON: it holds a BigInt at result: turn it into a string or a number', 'TypeError', 2,
  ]);
});

test('what a handler waits for is done, and messages are answered', async () => {
  assert.deepEqual(await inTest(`
    const one = await call('waits', { json: 'null' });
    const messages = ['1', '2'].map((id) => ({ id, publishedMs: 5, attempt: 1, json: 'null' }));
    const worker = await call('worker', { trigger: 'event', messages });
    return [one, globalThis.waited, worker];`), [1, true, { retry: [{ id: '2', delayMs: 2000 }] }]);
});

test('there is one call at a time', async () => {
  assert.equal(await inTest(`
    const first = call('waits', { json: 'null' });
    const error = await call('plain', { json: 'null' }).catch((error) => error.message);
    await first;
    return error;`), 'a sandbox has one call at a time');
});

test('a test may answer what fetch asks', async () => {
  const box = sandbox();
  const done = inTest(`
    t.answerWith(async (carried) => new Response(await carried.text() + '!', { status: 418 }));
    const response = await fetch('https://h/');
    return [response.status, await response.text()];`, box);
  await box.settle();
  const { id } = box.state.calls.find(({ name }) => name === 'httpSend');
  box.driver.complete(id, { kind: 'response', status: 200, statusText: '', url: 'https://h/', redirected: false, headers: [], body: new Uint8Array([120]) });
  assert.deepEqual(await done, [418, 'x!']);
});

test('what a test answers late is aborted as any request is', async () => {
  const box = sandbox();
  const done = inTest(`
    t.answerWith(() => new Promise(() => {}));
    const controller = new AbortController();
    const asked = fetch('https://h/', { signal: controller.signal });
    globalThis.abort = () => controller.abort();
    return asked.catch((error) => error.name);`, box);
  await box.settle();
  const { id } = box.state.calls.find(({ name }) => name === 'httpSend');
  box.driver.complete(id, { kind: 'response', status: 200, statusText: '', url: 'https://h/', redirected: false, headers: [], body: new Uint8Array(0) });
  await box.settle();
  box.run('abort()');
  assert.equal(await done, 'AbortError');
});
