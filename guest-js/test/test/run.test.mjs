// Collecting and running tests, and what a test can do with its host and its applet.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failures, suite } from './harness.mjs';

test('tests are listed with their suites, modes and places', async () => {
  const { tests } = await suite({
    'a.test.ts': `
      it('first', () => {});
      describe('outer', () => {
        describe('inner', () => { test('second', { fuelMax: 5 }, () => {}); });
        it.skip('third', () => {}); it.todo('fourth');
        it.each([[1, 'x'], [2, 'y']])('%i is %s, %#', () => {}, 100);
        it.each([{ a: { b: 1 } }])('has $a.b and $c', () => {});
      });
      describe.skip('skipped', () => { it('fifth', () => {}); });`,
    'b.test.ts': `it('out', () => {}); it.only('in', () => {}); describe.only('suite', () => { it('in too', () => {}); it.skip('not', () => {}); });`,
  }).list();
  assert.deepEqual(tests.map(({ stack, ...rest }) => rest), [
    { name: 'first', suites: [], file: 'a.test.ts', mode: 'run' },
    { name: 'second', suites: ['outer', 'inner'], file: 'a.test.ts', mode: 'run', fuelMax: 5 },
    { name: 'third', suites: ['outer'], file: 'a.test.ts', mode: 'skip' },
    { name: 'fourth', suites: ['outer'], file: 'a.test.ts', mode: 'todo' },
    { name: '1 is x, 0', suites: ['outer'], file: 'a.test.ts', mode: 'run', timeoutMs: 100 },
    { name: '2 is y, 1', suites: ['outer'], file: 'a.test.ts', mode: 'run', timeoutMs: 100 },
    { name: 'has 1 and $c', suites: ['outer'], file: 'a.test.ts', mode: 'run' },
    { name: 'fifth', suites: ['skipped'], file: 'a.test.ts', mode: 'skip' },
    { name: 'out', suites: [], file: 'b.test.ts', mode: 'skip' },
    { name: 'in', suites: [], file: 'b.test.ts', mode: 'run' },
    { name: 'in too', suites: ['suite'], file: 'b.test.ts', mode: 'run' },
    { name: 'not', suites: ['suite'], file: 'b.test.ts', mode: 'skip' },
  ]);
  assert.match(tests[0].stack, /applet\.js/);
});

test('what is declared wrongly says so', () => {
  const wrong = (text, message) => assert.throws(() => suite(text), (error) => message.test(error.message), text);
  wrong("it('x')", /has no function/);
  wrong("it('x', { fuel: 1 }, () => {})", /no option "fuel"; it has: fuelMax, timeoutMs/);
  wrong("it('x', { fuelMax: 0 }, () => {})", /fuelMax must be a whole number/);
  wrong("describe('x', async () => {})", /must not be async/);
  wrong('beforeEach(1)', /takes a function/);
});

test('hooks run around the test, in their order', async () => {
  const text = (body) => `
    globalThis.seen = [];
    const see = (name) => () => { seen.push(name); };
    beforeAll(see('all')); beforeEach(see('each')); afterEach(see('after each')); afterEach(see('after each 2')); afterAll(see('after all'));
    describe('s', () => { beforeAll(see('s all')); beforeEach(async () => { await null; seen.push('s each'); }); afterEach(see('s after each'));
      it('it', () => { seen.push('it'); ${body} }); });
    it('other', () => { seen.push('other'); });`;
  const whole = ['all', 's all', 'each', 's each', 'it', 's after each', 'after each 2', 'after each', 'after all'];
  for (const body of ['', "throw new Error('x');"]) {
    const tests = suite(text(body));
    const { failed } = await tests.run(0);
    assert.deepEqual([...tests.box.run('seen')], whole);
    assert.equal(failed.length, body === '' ? 0 : 1);
  }
  const failing = suite("beforeEach(() => { throw new Error('before'); }); afterEach(() => { throw new RangeError('after'); }); it('it', () => { throw new Error('never'); });");
  const { failed } = await failing.run(0);
  assert.deepEqual(failed.map(({ where, errors }) => [where, errors[0].name, errors[0].message]), [['beforeEach', 'Error', 'before'], ['afterEach', 'RangeError', 'after']]);
});

const APPLET = {
  applet: `{
    price: (context, p) => ({ user: context.user, config: context.config, trigger: context.trigger, p }),
    hook: async (context) => context.json({ params: context.params, body: await context.request.text() }, 202),
    get: async (context, { url }) => { const response = await fetch(url, { method: 'POST', headers: { 'x-a': 'b' }, body: 'sent' }); return { status: response.status, url: response.url, text: await response.text() }; },
    slow: async () => { await new Promise((resolve) => setTimeout(resolve, 60_000)); return new Date(Date.now()); },
    fail: () => { throw Object.assign(new Error('no stock'), { code: 'stock' }); },
    publish: (context) => context.sdk.events.publish('order.created', { id: 1 }, { key: 'k' }),
    worker: { queue(batch) { batch.messages[1].retry(); } },
    nightly: (context, p) => ({ p, trigger: context.trigger }),
  }`,
  handlers: [
    ...['price', 'get', 'slow', 'fail', 'publish'].map((name) => ({ name, export: name, type: 'call' })),
    { name: 'hook', export: 'hook', type: 'http', path: '/items/:id/*' }, { name: 'worker', export: 'worker', type: 'event' }, { name: 'nightly', export: 'nightly', type: 'schedule', cron: '@daily' },
  ],
};
const check = async (body, expected = []) => assert.deepEqual(await failures(body, APPLET), expected);

test('handlers are called by name', () => check(`
  config.set({ a: 1 });
  expect(await call('price', [1], { user: 'u1', config: { b: 2 } })).toEqual({ user: 'u1', config: { a: 1, b: 2 }, trigger: 'one-off', p: [1] });
  expect(await call('nightly')).toEqual({ p: { cron: '@daily' }, trigger: 'schedule' });
  const response = await call('hook', new Request('https://x/items/a%20b/c/d', { method: 'POST', body: 'raw' }));
  expect([response.status, await response.json()]).toEqual([202, { params: { id: 'a b', '*': 'c/d' }, body: 'raw' }]);
  expect(await deliver('worker', [1, 2])).toEqual({ retry: [{ id: 'evt_2' }] });
  await expect(call('fail')).rejects.toThrow(expect.objectContaining({ code: 'stock' }));
  expect((await Promise.all([call('price', 1), call('price', 2)])).map(({ p }) => p)).toEqual([1, 2]);
  await expect(call('nope')).rejects.toThrow('the applet has no handler "nope"; it has: price');
  await expect(call('price', 1, { usr: 'x' })).rejects.toThrow('call has no option "usr"');`));

test('http is mocked, recorded, and refused otherwise', () => check(`
  const api = mock.http('POST https://api.example.com/a', 503, (request) => request.body + '!');
  const get = (path) => call('get', { url: 'https://api.example.com' + path });
  expect(await get('/a?q=1')).toEqual({ status: 503, url: 'https://api.example.com/a?q=1', text: '' });
  expect(await get('/a')).toEqual({ status: 200, url: 'https://api.example.com/a', text: 'sent!' });
  expect(await get('/a')).toMatchObject({ text: 'sent!' });
  expect(api.requests).toHaveLength(3);
  expect([api.requests[0].method, api.requests[0].headers.get('x-a'), api.requests[0].body]).toEqual(['POST', 'b', 'sent']);
  await expect(get('/b')).rejects.toThrow("POST https://api.example.com/b is not mocked (mocked are POST https://api.example.com/a)");
  mock.http('https://api.example.com/*', { json: true });
  expect((await get('/b')).text).toBe('{"json":true}');
  mock.http(/\\/c$/, new Error('down'));
  await expect(get('/c')).rejects.toThrow('down');
  await expect(call('get', { url: 'https://evil.example.com/' })).rejects.toThrow('is not in permissions.http');
  expect(mock.requests).toHaveLength(6);
  expect(() => mock.http('GET api.example.com', 200)).toThrow('is no URL');
  const once = mock.http('POST https://api.example.com/d', new Response('x'));
  expect([(await get('/d')).text, (await get('/d')).text]).toEqual(['x', 'x']);`));

test('time is waited for at no cost, and can be set', () => check(`
  await clock.set('2026-03-01T12:00:00Z');
  expect(clock.now()).toBe(Date.parse('2026-03-01T12:00:00Z'));
  const before = clock.now();
  const slow = call('slow');
  await clock.advance(30_000);
  const seen = [];
  setTimeout(() => seen.push(1), 10); const every = setInterval(() => seen.push(2), 20_000);
  await slow;
  expect(clock.now() - before).toBe(60_000);
  expect(seen).toEqual([1, 2]);
  clearInterval(every);
  await clock.advance(2 ** 32);
  expect(clock.now() - before).toBe(60_000 + 2 ** 32);
  expect(() => clock.advance(-1)).rejects.toThrow('at least 0');`));

test('events, jobs and secrets are the host\'s', () => check(`
  expect(await call('publish')).toBe('evt-1');
  expect(await events.published('order.created')).toMatchObject([{ name: 'order.created', payload: { id: 1 } }]);
  expect(await events.published('other')).toEqual([]);
  expect(await jobs.enqueued('h')).toEqual([{ id: 'job_1', handler: 'h', payload: 1, priority: 0, isCancelled: false }]);
  expect(await jobs.progress()).toEqual([0.5]);
  await secrets.set('KEY', 'v');
  await secrets.set('KEY', undefined);`));

test('a mocked answer takes its time, which a request need not wait for', () => check(`
  mock.http('POST https://api.example.com/a', async () => { await clock.advance(60_000); return 'late'; });
  const before = clock.now();
  expect((await call('get', { url: 'https://api.example.com/a' })).text).toBe('late');
  expect(clock.now() - before).toBe(60_000);`));
