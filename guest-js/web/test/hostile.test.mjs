// Applets that break the language under themselves: the driver still calls, settles, fires and reports.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callWith, drain, sandbox } from './harness.mjs';

// Runs with references of its own: what it removes it cannot use any more.
const POLLUTE = `{ const { ownKeys } = Reflect; const define = Object.defineProperty; const throwing = (key) => ({ get() { throw 'polluted ' + (typeof key === 'symbol' ? 'symbol' : key) }, configurable: true });
  const protos = [Array.prototype, Map.prototype, Promise.prototype, String.prototype, Function.prototype, RegExp.prototype, Number.prototype, Set.prototype, Error.prototype, Object.getPrototypeOf(Uint8Array.prototype)];
  const objects = [JSON, Reflect, Object, Math, Promise, Array, String];
  const all = protos.concat(objects).map((o) => [o, ownKeys(o)]);
  for (let i = 0; i < all.length; i++) for (let k = 0; k < all[i][1].length; k++) { const key = all[i][1][k]; if (key !== 'prototype' && key !== 'length' && key !== 'constructor') try { define(all[i][0], key, throwing(key)) } catch {} }
}`;

test('calls, operations, timers and reports work on a broken language', async () => {
  const box = sandbox();
  const namespace = box.run('({ default: async (context, payload) => { const rows = await context.sdk.db.query("q"); sdk.log.info("m", { a: 1 }); console.log("x", rows); return { n: payload.n, rows } }, bad() { throw new TypeError("mine") } })');
  box.run('globalThis.fired = 0; setTimeout(() => { fired++ }, 5); setTimeout(() => { fired++ }, 1);');
  // Awaited inside the realm: from outside, `then` of the realm would be read.
  box.run('globalThis.settle = async (promise) => { try { outcome = await promise } catch (error) { outcome = error } }; globalThis.outcome = undefined');
  box.run(POLLUTE);
  const pending = callWith(box, namespace, { json: '{"n":1}' });
  box.driver.complete(1, { kind: 'rows', columns: ['a'], rows: [[1]] });
  box.context.settle(pending);
  await box.settle();
  assert.equal(box.context.outcome, '{"n":1,"rows":[{"a":1}]}');
  await drain(box);
  assert.equal(box.run('fired'), 2);
  let failure;
  try {
    callWith(box, namespace, { export: 'bad' });
  } catch (error) {
    failure = box.driver.report(error);
  }
  assert.equal(failure.errors[0].message, 'mine');
});

test('Object.prototype cannot pose as data of the driver', async () => {
  const box = sandbox();
  box.run("for (const k of ['then', 'url', 'value', 'tenant', 'cause', 'errors', 'json', 'request']) Object.prototype[k] = () => 'evil'");
  const call = { default: (context) => context.tenant };
  assert.equal(callWith(box, call), '"acme"');
});

test('whatever is thrown is reported', () => {
  const box = sandbox();
  const odd = box.run(`[null, undefined, Symbol('s'), new Proxy(new Error('x'), { get() { throw 1 } }), Object.create(null), 1n, { get stack() { throw 2 } }, (() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy })(),
    new Error('E'.repeat(32 << 20)), Object.assign(new Error('m'), { message: { toString() { throw 3 } }, name: 5, code: {}, details: { toJSON() { throw 4 } } }), function f() {}, 'text', -0,
    (() => { const a = new Error('a'); a.cause = new Error('b', { cause: a }); return a })(), new AggregateError(Array.from({ length: 100 }, (_, i) => new Error(i)), 'many'), new AggregateError([new Proxy([], {})], 'x')]`);
  for (const error of odd) {
    const { reason, errors } = box.driver.report(error);
    assert.equal(reason, 0, errors[0].message.slice(0, 99));
    assert.ok(errors.length >= 1 && errors.length <= 8);
    for (const one of errors) for (const key of ['name', 'message', 'stack']) assert.ok(typeof one[key] === 'string' && one[key].length <= 8300, key);
  }
  assert.equal(box.driver.report(odd[13]).errors.map((e) => e.message).join(), 'a,b');
  assert.equal(box.driver.report(odd[11]).errors[0].message, 'text');
  assert.equal(box.driver.report(odd[11]).errors[0].name, 'Uncaught');
});

test('an exhausted stack has a reason of its own', () => {
  const box = sandbox();
  try {
    callWith(box, '{ default: function f() { return f() + 1 } }');
    assert.fail('it returned');
  } catch (error) {
    assert.equal(box.driver.report(error).reason, 4);
  }
});

test('telling of a rejection never throws', () => {
  const box = sandbox();
  callWith(box, '{ default: () => 1 }');
  box.native.log = () => {
    throw new Error('full');
  };
  assert.equal(box.driver.rejected(Promise.resolve(), new Error('x')), true);
  box.driver.handled(Promise.resolve(), new Error('x'));
  box.driver.complete(999, { kind: 'ended' });
});
