// sdk.db, sdk.http, sdk.log: what is asked of the host, and what becomes of its answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sandbox } from './harness.mjs';

const plain = (value) => JSON.parse(JSON.stringify(value));

test('rows are plain objects that lose no column', async () => {
  const box = sandbox();
  const promise = box.run("sdk.db.query('q', { a: 1 })");
  assert.deepEqual(plain(box.state.calls[0].args.slice(0, 2)), ['q', { a: 1 }]);
  box.driver.complete(1, { kind: 'rows', columns: ['id', '__proto__', 'id', 'id:1', 'id', 'constructor'], rows: [[1, 2, 3, 4, 5, 6]] });
  const [row] = await promise;
  assert.deepEqual(Object.entries(row), [['id:2', 1], ['__proto__', 2], ['id:3', 3], ['id:1', 4], ['id', 5], ['constructor', 6]]);
  assert.equal(Object.getPrototypeOf(row), box.run('Object.prototype'));
});

test('queryOne gives a row or null', async () => {
  const box = sandbox();
  const [one, none] = [box.run("sdk.db.queryOne('q')"), box.run("sdk.db.queryOne('q')")];
  box.driver.complete(2, { kind: 'rows', columns: ['a'], rows: [] });
  box.driver.complete(1, { kind: 'rows', columns: ['a'], rows: [[9n]] });
  assert.equal((await one).a, 9n);
  assert.equal(await none, null);
});

test('errors are SdkError with what the host said, at the place of the call', async () => {
  const box = sandbox();
  const promise = box.run("(function asks() { return sdk.db.execute('q') })()");
  box.driver.complete(1, { kind: 'error', capability: 'db', code: 'limit', message: 'too many rows', limit: 'rows_max', allowed: 10, used: 11 });
  const error = await promise.then(() => undefined, (e) => e);
  assert.equal(box.run('(e) => e instanceof sdk.SdkError && e instanceof Error')(error), true);
  assert.deepEqual([error.name, error.code, error.capability, error.limit, error.allowed, error.used], ['SdkError', 'limit', 'db', 'rows_max', 10, 11]);
  const { reason, errors: [report] } = box.driver.report(error);
  assert.equal(reason, 0);
  assert.equal(report.code, 'limit');
  assert.deepEqual(JSON.parse(report.details), { capability: 'db', limit: 'rows_max', allowed: 10, used: 11 });
  assert.match(report.stack, /^ {4}at .*[\s\S]*asks/);
});

test('batch takes the three spellings', async () => {
  const box = sandbox();
  const promise = box.run("sdk.db.batch(['a', ['b', [1]], { sql: 'c', params: { x: 2 } }])");
  assert.deepEqual(plain(box.state.calls[0].args), [['a', 'b', 'c'], [null, [1], { x: 2 }]]);
  box.driver.complete(1, { kind: 'batch', results: [{ changes: 1, lastInsertRowid: 2 }] });
  assert.deepEqual(plain(await promise), [{ changes: 1, lastInsertRowid: 2 }]);
  await assert.rejects(box.run('sdk.db.batch([1])'), /statement 0/);
  await assert.rejects(box.run('sdk.db.batch(1)'), /array/);
});

test('a transaction commits what its function did', async () => {
  const box = sandbox();
  const promise = box.run("sdk.db.transaction(async (tx) => { await tx.execute('x'); return 'done' })");
  const answers = { dbBegin: { kind: 'transaction', transaction: 7 }, dbExecute: { kind: 'changes', changes: 1, lastInsertRowid: 1 }, dbCommit: { kind: 'ended' } };
  for (let i = 0; i < 3; i++) {
    box.driver.complete(box.state.calls[i].id, answers[box.state.calls[i].name]);
    await box.settle();
  }
  assert.equal(await promise, 'done');
  assert.deepEqual(box.state.calls.map(({ name, args }) => [name, args.at(-1)]), [['dbBegin', undefined], ['dbExecute', 7], ['dbCommit', 7]]);
});

test('a transaction is rolled back on a throw, which a failing rollback does not hide', async () => {
  const box = sandbox();
  const promise = box.run("sdk.db.transaction(() => { throw new Error('mine') })");
  box.driver.complete(1, { kind: 'transaction', transaction: 7 });
  await box.settle();
  assert.equal(box.state.calls[1].name, 'dbRollback');
  box.driver.complete(2, { kind: 'error', capability: 'db', code: 'no-transaction', message: 'gone' });
  await assert.rejects(promise, /mine/);
});

test('a second transaction is refused while one is open, and not after', async () => {
  const box = sandbox();
  const first = box.run("sdk.db.transaction(() => sdk.db.transaction(() => 1))");
  box.driver.complete(1, { kind: 'transaction', transaction: 7 });
  await box.settle();
  box.driver.complete(2, { kind: 'ended' });
  await assert.rejects(first, (error) => error.code === 'busy');
  box.run('sdk.db.transaction(() => 1)');
  await box.settle();
  assert.equal(box.state.calls.at(-1).name, 'dbBegin');
});

test('what the engine throws becomes a rejection', async () => {
  const box = sandbox();
  box.native.dbQuery = () => {
    throw new TypeError('not while the applet is prepared');
  };
  await assert.rejects(box.run("sdk.db.query('q')"), /prepared/);
  assert.equal(box.driver.outstanding(), 0);
});

test('http helpers send JSON and add queries', async () => {
  const box = sandbox();
  const promise = box.run("sdk.http.post('https://h/x?a=1', { b: 1n + 1n > 1n }, { query: { c: 'd e' }, headers: { 'X-Y': 'z' }, timeoutMs: 50 })");
  await box.settle();
  const [method, url, headers, body, redirect, timeout] = box.state.calls[0].args;
  assert.deepEqual([method, url, [...headers], Buffer.from(body).toString(), redirect, timeout],
    ['POST', 'https://h/x?a=1&c=d+e', ['x-y', 'z', 'content-type', 'application/json'], '{"b":true}', 0, 50]);
  box.driver.complete(1, { kind: 'response', status: 201, statusText: 'Created', url: 'https://h/x', redirected: false, headers: ['a', 'b'], body: new Uint8Array(Buffer.from('{"ok":1}')) });
  const response = await promise;
  assert.deepEqual([response.status, response.ok, response.headers.get('A'), (await response.json()).ok], [201, true, 'b', 1]);
  const failing = box.run("sdk.http.get('https://h/')");
  await box.settle();
  box.driver.complete(2, { kind: 'error', capability: 'http', code: 'denied', message: 'h is not allowed' });
  await assert.rejects(failing, (error) => error.name === 'SdkError' && error.code === 'denied');
});

test('log fields are JSON, bounded, and never fail', () => {
  const box = sandbox();
  box.run(`{ const cycle = {}; cycle.me = cycle;
    sdk.log.warn('m', { n: 1, big: 2n, cycle, f() {}, u: undefined, s: 'x'.repeat(20000), e: new Error('boom'), bad: { toJSON() { throw 1 } }, get g() { throw new Error('getter') } });
    sdk.log.info({ a: 1 }); sdk.log.error('x', Object.fromEntries(Array.from({ length: 100 }, (_, i) => ['k' + i, i]))); sdk.log.debug('p', new Proxy({}, { ownKeys() { throw 1 } })); }`);
  const [first, second, third, fourth] = box.state.logs;
  assert.deepEqual([first.origin, first.level, first.message], [1, 2, 'm']);
  const fields = {};
  for (let i = 0; i < first.fields.length; i += 2) fields[first.fields[i]] = JSON.parse(first.fields[i + 1]);
  assert.deepEqual([fields.n, fields.big], [1, '2']);
  assert.match(fields.cycle, /Circular/);
  assert.match(fields.e, /Error: boom/);
  assert.match(fields.g, /unreadable.*getter/s);
  assert.ok(first.fields.every((text) => text.length <= 9000));
  assert.equal(second.message, '{ a: 1 }');
  assert.deepEqual(third.fields.slice(-2), ['fieldsDropped', '37']);
  assert.equal(fourth.fields[0], 'value');
});

test('crypto helpers', () => {
  const box = sandbox();
  assert.equal(box.run("sdk.crypto.sha256Hex('abc')"), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  assert.equal(box.run("sdk.crypto.hmacSha256Hex('key', 'The quick brown fox jumps over the lazy dog')"), 'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8');
});

test('a program sees what it was granted', () => {
  const box = sandbox();
  box.driver.shell(['db'], [], []);
  assert.equal(box.run("[Object.keys(sdk).join(), typeof print, Object.isFrozen(sdk)].join(' ')"), 'db,crypto,SdkError function true');
  box.driver.shell([], [], []);
  assert.equal(box.run('typeof sdk'), 'undefined');
  box.run("print('a', { b: 1 })");
  assert.equal(box.state.logs[0].message, 'a { b: 1 }');
});

test('kv gives values as they were given', async () => {
  const box = sandbox();
  const [get, many] = [box.run("sdk.kv.get('a')"), box.run("sdk.kv.mget(['a', 'b', 'c'])")];
  assert.deepEqual(plain(box.state.calls.map(({ name, args }) => [name, args[0]])), [['kvGet', ['a']], ['kvGet', ['a', 'b', 'c']]]);
  box.driver.complete(1, { kind: 'values', values: ['{"n":[1,null]}'] });
  box.driver.complete(2, { kind: 'values', values: ['null', undefined, new Uint8Array([7])] });
  assert.deepEqual(plain(await get), { n: [1, null] });
  const values = await many;
  assert.equal(values[0], null);
  assert.equal(values[1], undefined);
  assert.deepEqual([...values[2]], [7]);
  box.run("sdk.kv.set('a', { x: undefined, y: 1 }, { ttlMs: 1.5 })");
  box.run("sdk.kv.set('a', new DataView(new Uint8Array([1, 2, 3]).buffer, 1))");
  assert.deepEqual(plain(box.state.calls[2].args), ['a', '{"y":1}', 2]);
  assert.deepEqual([...box.state.calls[3].args[1]], [2, 3]);
  box.run("sdk.kv.compareAndSet('a', undefined, null)");
  box.run("sdk.kv.compareAndSet('a', 1, undefined)");
  assert.deepEqual(box.state.calls[4].args, ['a', undefined, 'null', undefined]);
  assert.deepEqual(box.state.calls[5].args, ['a', '1', undefined, undefined]);
});

test('kv lists in pages', async () => {
  const box = sandbox();
  const page = box.run("sdk.kv.list({ prefix: 'a', cursor: 'ab', limit: 2 })");
  assert.deepEqual(box.state.calls[0].args, ['a', 'ab', 2]);
  box.driver.complete(1, { kind: 'keys', keys: ['ac', 'ad'], hasMore: true });
  assert.deepEqual(plain(await page), { keys: ['ac', 'ad'], cursor: 'ad' });
  const last = box.run('sdk.kv.list()');
  assert.deepEqual(box.state.calls[1].args, ['', undefined, 100]);
  box.driver.complete(2, { kind: 'keys', keys: [], hasMore: false });
  assert.equal((await last).cursor, undefined);
});

test('arguments of kv, events and jobs that are wrong start nothing', async () => {
  const box = sandbox();
  for (const code of ["kv.get(1)", "kv.get('\\ud800')", "kv.set('a')", "kv.set('a', () => 0)", "kv.set('a', 1, { ttlMs: 0 })", "kv.set('a', 1, { ttl: 1 })",
    "kv.increment('a', 1.5)", "kv.increment('a', 2 ** 53)", "kv.list({ limit: -1 })", "kv.mget('a')", 'events.publish(1)', "events.publish('a', 1n)",
    "events.publish('a', 1, { delayMs: -1 })", "jobs.enqueue('a', 1, { priority: 0.5 })", "jobs.enqueue('a', 1, { at: 1 })", "jobs.schedule('a', 'tomorrow')",
    "jobs.progress()", 'secrets.get()']) {
    await assert.rejects(box.run(`sdk.${code}`), (error) => error.name === 'TypeError' || error.name === 'RangeError', code);
  }
  assert.equal(box.state.calls.length, 0);
});

test('events and jobs are handed over', async () => {
  const box = sandbox();
  const id = box.run("sdk.events.publish('order.paid', { id: 1 }, { key: 'k', orderKey: 'o', delayMs: 0.5 })");
  assert.deepEqual(box.state.calls[0].args, ['order.paid', '{"id":1}', 'k', 'o', 1]);
  box.driver.complete(1, { kind: 'text', text: 'evt_1' });
  assert.equal(await id, 'evt_1');
  box.run("sdk.jobs.enqueue('report'); sdk.jobs.schedule('report', new Date(5), [1], { key: 'k', priority: -3 }); sdk.jobs.progress({ done: 0.5 })");
  assert.deepEqual(box.state.calls.slice(1).map(({ name, args }) => [name, ...args]), [
    ['jobEnqueue', 'report', 'null', 0, undefined, 0, undefined], ['jobEnqueue', 'report', '[1]', 0, 5, -3, 'k'], ['jobProgress', '{"done":0.5}'],
  ]);
  const secret = box.run("sdk.secrets.get('KEY')");
  box.driver.complete(5, { kind: 'text' });
  assert.equal(await secret, undefined);
});

test('capabilities of the embedder are called by their names', async () => {
  const box = sandbox();
  box.driver.shell([], [], ['greet', ['hello', 'bye'], 'mail', ['send']]);
  const answered = box.run("sdk.greet.hello({ name: 'Ada' })");
  assert.deepEqual([...box.state.calls[0].args], ['greet', 'hello', '{"name":"Ada"}']);
  box.driver.complete(1, { kind: 'text', text: '{"text":"Hello Ada"}' });
  assert.deepEqual(plain(await answered), { text: 'Hello Ada' });
  const bare = box.run('sdk.mail.send()');
  assert.deepEqual([...box.state.calls[1].args], ['mail', 'send', 'null']);
  box.driver.complete(2, { kind: 'text', text: 'null' });
  assert.equal(await bare, null);
  const refused = box.run("sdk.greet.bye('x')");
  box.driver.complete(3, { kind: 'error', capability: 'custom', code: 'no-such-user', message: 'there is no x' });
  const error = await refused.then(() => undefined, (e) => e);
  assert.deepEqual([error.name, error.capability, error.code, error.message], ['SdkError', 'greet', 'no-such-user', 'there is no x']);
  await assert.rejects(box.run('sdk.greet.hello(1, 2)'), /sdk\.greet\.hello takes one argument, not 2/);
  await assert.rejects(box.run('sdk.greet.hello(() => 1)'), /the argument is a function/);
  assert.equal(box.state.calls.length, 3);
});

test('what is not granted, or not there, is said by its name', async () => {
  const box = sandbox();
  box.driver.shell([], [], ['greet', ['hello', 'bye']]);
  const thrown = (code) => box.run(`(() => { try { ${code} } catch (error) { return \`\${error}\` } })()`);
  assert.match(thrown('sdk.gret.hello()'), /^TypeError: sdk has no capability "gret"\. .*permissions\.custom.*granted are: greet$/);
  assert.match(thrown('sdk.greet.helo()'), /^TypeError: sdk\.greet has no function "helo"; it has: hello, bye$/);
  assert.match(thrown("(function () { 'use strict'; sdk.greet.hello = 1 })()"), /^TypeError/);
  assert.deepEqual(plain(box.run("['greet' in sdk, 'gret' in sdk, 'hello' in sdk.greet, 'helo' in sdk.greet, typeof sdk.then, typeof sdk.toString]")),
    [true, false, true, false, 'undefined', 'function']);
  assert.equal(box.run('sdk.greet === sdk.greet'), true);
  assert.equal(await box.run('(async () => { await sdk; await sdk.greet; return JSON.stringify(sdk.greet) })()'), '{}');
  assert.match(sandbox().run('(() => { try { sdk.greet } catch (error) { return `${error}` } })()'), /nothing of it is granted here$/);
});
