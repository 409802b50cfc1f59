// structuredClone: what is copied, what is moved, what is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sandbox } from './harness.mjs';

/** Runs the body of a function in a sandbox; it answers true or what it found instead. */
function check(code) {
  const box = sandbox();
  assert.equal(box.run(`(() => { ${code} })()`), true, code);
}

test('values of the language are copied with their identity', () => {
  check("const o = { a: [1, , { b: undefined }], n: null, big: 5n, f: -0 }; o.self = o; o.twice = o.a; const c = structuredClone(o); return c !== o && c.self === c && c.twice === c.a && !(1 in c.a) && c.a.length === 3 && 'b' in c.a[2] && Object.is(c.f, -0) && c.big === 5n");
  check("const m = new Map([[{ k: 1 }, new Set([1, 'x'])]]); m.set('m', m); const c = structuredClone(m); return c instanceof Map && c.get('m') === c && [...c.keys()][0].k === 1 && [...c.values()][0].has('x')");
  check("const c = structuredClone([new Date(7), new Date(NaN), /a+/gi, Object(1), Object('s'), Object(true), Object(2n)]); return c[0].getTime() === 7 && isNaN(c[1]) && `${c[2]}` === '/a+/gi' && c[3] instanceof Number && c[4].length === 1 && c[5].valueOf() === true && c[6].valueOf() === 2n");
  check("class A { constructor() { this.x = 1 } get y() { return 2 } } const c = structuredClone(new A()); return Object.getPrototypeOf(c) === Object.prototype && c.x === 1 && !('y' in c)");
  check("const o = JSON.parse('{\"__proto__\":{\"a\":1}}'); const c = structuredClone(o); return Object.getPrototypeOf(c) === Object.prototype && Object.hasOwn(c, '__proto__')");
  check("const a = [1]; a.extra = 2; const c = structuredClone(a); return Array.isArray(c) && c.extra === 2 && structuredClone(undefined) === undefined");
  check("const o = { get a() { delete this.b; return 1 }, b: 2 }; const c = structuredClone(o); return c.a === 1 && !('b' in c)");
});

test('errors keep their kind, stack and cause', () => {
  check("const e = new RangeError('m', { cause: { a: 1 } }); const c = structuredClone(e); return c instanceof RangeError && c.message === 'm' && c.stack === e.stack && c.cause.a === 1 && c.cause !== e.cause");
  check("class Mine extends Error { name = 'Mine' }; const c = structuredClone(new Mine('x')); return Object.getPrototypeOf(c) === Error.prototype && c.name === 'Error'");
  check("const c = structuredClone(new DOMException('m', 'AbortError')); return c instanceof DOMException && c.code === 20 && c.message === 'm'");
});

test('buffers are copied, and moved when transferred', () => {
  check("const b = new Uint8Array([1, 2, 3, 4]); const c = structuredClone({ all: b, part: b.subarray(1, 3), view: new DataView(b.buffer, 2) }); b[1] = 9; return c.all !== b && c.part.buffer === c.all.buffer && c.part[0] === 2 && c.part.length === 2 && c.view.getUint8(0) === 3");
  check("const b = new Uint16Array([1, 2]); const c = structuredClone({ b, n: [b.buffer] }, { transfer: [b.buffer] }); return c.b[1] === 2 && c.n[0] === c.b.buffer && b.length === 0 && b.buffer.byteLength === 0");
  check("const b = new ArrayBuffer(4); try { structuredClone({ b, f() {} }, { transfer: [b] }); return 'cloned' } catch (e) { return e.name === 'DataCloneError' && b.byteLength === 4 }");
});

test('what cannot be cloned is a DataCloneError', () => {
  for (const value of ['() => 1', 'Symbol()', '{ a: Symbol() }', 'Promise.resolve()', 'new WeakMap()', 'new WeakSet()', 'new WeakRef({})', 'new Headers()', "new URL('a:b')", 'new EventTarget()', "new Response('')"]) {
    check(`try { structuredClone((${value.startsWith('{') ? `(${value})` : value})); return 'cloned' } catch (e) { return e instanceof DOMException && e.name === 'DataCloneError' && e.code === 25 || e.name }`);
  }
  for (const transfer of ['[b, b]', '[{}]', '[new Uint8Array(1)]', '[gone]']) {
    check(`const b = new ArrayBuffer(1); const gone = new ArrayBuffer(1); structuredClone(gone, { transfer: [gone] }); try { structuredClone(1, { transfer: ${transfer} }); return 'moved' } catch (e) { return e.name === 'DataCloneError' || e.name }`);
  }
  check("try { structuredClone(); return 'cloned' } catch (e) { return e instanceof TypeError }");
});
