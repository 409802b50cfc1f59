// Matchers, and what they say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failures } from './harness.mjs';

/** All hold; and the opposite of each says so. */
async function holds(...lines) {
  for (const line of lines) {
    assert.deepEqual(await failures(`await ${line};`), [], line);
    const opposite = line.replace(/\)\.(?!.*\)\.to)/, ').not.').replace(/\.not\.not\./, '.');
    if (opposite === line) throw new Error(`no opposite of ${line}`);
    assert.equal((await failures(`await ${opposite};`)).length, 1, opposite);
  }
}

test('values are compared in the ways of vitest', async () => {
  await holds(
    'expect(1).toBe(1)', 'expect(NaN).toBe(NaN)', 'expect(-0).not.toBe(0)', 'expect({}).not.toBe({})',
    'expect({ a: 1, b: undefined }).toEqual({ a: 1 })', 'expect({ a: 1, b: undefined }).not.toStrictEqual({ a: 1 })',
    'expect([1, [2]]).toEqual([1, [2]])', 'expect([, 1]).toEqual([undefined, 1])', 'expect([, 1]).not.toStrictEqual([undefined, 1])',
    'expect(new (class A { x = 1 })()).toEqual({ x: 1 })', 'expect(new (class A { x = 1 })()).not.toStrictEqual({ x: 1 })',
    'expect(new Map([[{ a: 1 }, 2]])).toEqual(new Map([[{ a: 1 }, 2]]))', 'expect(new Set([1, [2]])).toEqual(new Set([[2], 1]))', 'expect(new Set([1])).not.toEqual(new Set([2]))',
    'expect(new Date(5)).toEqual(new Date(5))', 'expect(new Date(5)).not.toEqual(new Date(6))', 'expect(/a/g).toEqual(/a/g)', 'expect(/a/).not.toEqual(/a/g)',
    'expect(new Uint8Array([1, 2])).toEqual(new Uint8Array([1, 2]))', 'expect(new Uint8Array([1])).not.toEqual(new Int8Array([1]))', 'expect(new Uint8Array([1])).not.toEqual([1])',
    "expect(new Error('a')).toEqual(new Error('a'))", "expect(Object.assign(new TypeError('a'), { code: 1 })).toMatchObject({ name: 'TypeError', message: 'a', code: 1 })", "expect(new Error('a')).not.toMatchObject({ code: 1 })", "expect(new Error('a')).not.toEqual(new TypeError('a'))", "expect(new URL('https://a/b')).toEqual(new URL('https://a/b'))",
    'expect(new URLSearchParams("a=1")).not.toEqual(new URLSearchParams("a=2"))', 'expect(10n).toEqual(10n)', 'expect({ a: 1 }).not.toEqual([1])',
    'expect({ a: 1, b: { c: 2, d: 3 }, e: 4 }).toMatchObject({ b: { c: 2 } })', 'expect([{ a: 1, b: 2 }]).toMatchObject([{ a: 1 }])', 'expect([{ a: 1 }, 2]).not.toMatchObject([{ a: 1 }])', 'expect({}).not.toMatchObject({ a: undefined })',
    'expect(null).not.toEqual({})', 'expect(Object.create(null)).toEqual({})',
  );
  assert.deepEqual(await failures('const a = { n: 1 }; a.self = a; const b = { n: 1 }; b.self = b; expect(a).toEqual(b); b.n = 2; expect(a).not.toEqual(b);'), []);
});

test('the other matchers', async () => {
  await holds(
    'expect(1).toBeTruthy()', "expect('').toBeFalsy()", 'expect(null).toBeNull()', 'expect(undefined).toBeUndefined()', 'expect(0).toBeDefined()', 'expect(NaN).toBeNaN()', 'expect(null).toBeNullable()',
    'expect(2).toBeGreaterThan(1)', 'expect(2n).toBeGreaterThanOrEqual(2)', 'expect(1).toBeLessThan(2)', 'expect(1).toBeLessThanOrEqual(1)',
    'expect(0.1 + 0.2).toBeCloseTo(0.3)', 'expect(0.1).not.toBeCloseTo(0.2)', 'expect(1.004).toBeCloseTo(1)', 'expect(1.004).not.toBeCloseTo(1, 3)', 'expect(Infinity).toBeCloseTo(Infinity)',
    'expect(new Date()).toBeInstanceOf(Date)', "expect('a').toBeTypeOf('string')", 'expect(2).toBeOneOf([1, 2])', 'expect(4).toSatisfy((n) => n % 2 === 0)',
    "expect('abc').toContain('b')", 'expect([1, 2]).toContain(2)', 'expect([{ a: 1 }]).not.toContain({ a: 1 })', 'expect([{ a: 1 }]).toContainEqual({ a: 1 })', 'expect(new Set([1])).toContain(1)',
    "expect('abc').toHaveLength(3)", "expect({ a: { b: [5] } }).toHaveProperty('a.b[0]', 5)", "expect({ a: 1 }).not.toHaveProperty('b')", "expect({ 'a.b': 1 }).toHaveProperty(['a.b'])",
    "expect('abc').toMatch(/B/i)", "expect('abc').toMatch('bc')",
    "expect(() => { throw new TypeError('no way'); }).toThrow()", "expect(() => { throw new TypeError('no way'); }).toThrow('way')", "expect(() => { throw new TypeError('no way'); }).toThrow(/^no/)",
    "expect(() => { throw new TypeError('no way'); }).toThrow(TypeError)", "expect(() => { throw new TypeError('no way'); }).not.toThrow(RangeError)", "expect(() => { throw new TypeError('no way'); }).toThrow(new Error('no way'))",
    "expect(() => { throw { code: 1 }; }).toThrow(expect.objectContaining({ code: 1 }))", 'expect(() => 1).not.toThrow()',
    "expect(Promise.resolve(3)).resolves.toBe(3)", "expect(Promise.reject(new Error('x'))).rejects.toThrow('x')", "expect(async () => { throw new Error('x'); }).rejects.toThrow(Error)", "expect(Promise.reject({ a: 1 })).rejects.toEqual({ a: 1 })",
  );
});

test('asymmetric matchers stand anywhere', async () => {
  await holds(
    'expect({ id: 5, at: new Date(), n: null }).toEqual({ id: expect.any(Number), at: expect.any(Date), n: null })', 'expect([null]).not.toEqual([expect.anything()])',
    "expect({ a: 'xyz', b: [3, 1, 2], c: { d: 1, e: 2 }, f: 0.30001 }).toEqual({ a: expect.stringContaining('y'), b: expect.arrayContaining([1, 3]), c: expect.objectContaining({ e: 2 }), f: expect.closeTo(0.3, 2) })",
    "expect('abc').toEqual(expect.stringMatching(/^a/))", "expect('abc').toEqual(expect.not.stringContaining('z'))", 'expect({ a: 1 }).toEqual(expect.not.objectContaining({ b: 1 }))', 'expect([1]).toEqual(expect.not.arrayContaining([2]))',
    'expect(5n).toEqual(expect.any(BigInt))', 'expect(() => 1).toEqual(expect.any(Function))',
  );
});

test('failures are told so that they can be read', async () => {
  const check = async (body, expected) => assert.deepEqual(await failures(body), [expected]);
  await check('expect(1).toBe(2)', 'expected 1 to be 2');
  await check("expect('a', 'the name').toBe('b')", 'the name: expected "a" to be "b"');
  await check('expect(1).not.toBe(1)', 'expected 1 not to be 1');
  await check('expect({ a: 1 }).toBe({ a: 1 })', 'expected { a: 1 } to be { a: 1 }\nthey are equal and not the same: use toEqual');
  await check('expect({ b: 1, a: [1, 2] }).toEqual({ a: [1, 3], b: 1 })', 'expected { a: [1, 2], b: 1 } to equal { a: [1, 3], b: 1 }\n- expected\n+ received\n\n  {\n    "a": [\n      1,\n-     3,\n+     2,\n    ],\n    "b": 1,\n  }');
  await check("expect('one\\ntwo').toBe('one\\nthree')", 'expected "one\\ntwo" to be "one\\nthree"\n- expected\n+ received\n\n  one\n- three\n+ two');
  await check('expect({ id: 1, rest: 2, more: 3 }).toMatchObject({ id: 2 })', 'expected { id: 1, more: 3, rest: 2 } to match the object { id: 2 }\n- expected\n+ received\n\n  {\n-   "id": 2,\n+   "id": 1,\n  }');
  await check('expect({ a: 1 }).toEqual({ a: expect.any(String) })', 'expected { a: 1 } to equal { a: any String }\n- expected\n+ received\n\n  {\n-   "a": any String,\n+   "a": 1,\n  }');
  await check('expect(() => 1).toThrow("x")', 'expected [Function] to throw an error whose message includes "x"\nnothing was thrown');
  await check('expect(1).toThrow()', 'TypeError: toThrow needs a function, not 1: write expect(() => …), or await expect(promise).rejects');
  await check('expect(async () => { throw 1 }).toThrow()', 'TypeError: the function of toThrow returned a promise: write await expect(promise).rejects.toThrow(…)');
  await check('await expect(Promise.resolve(1)).rejects.toThrow()', 'expected the promise to be rejected, but it was fulfilled with 1');
  await check("await expect(Promise.reject(new Error('x'))).resolves.toBe(1)", 'expected the promise to be fulfilled, but it was rejected with [Error: x]');
  await check('const f = fn(); f(1, "a"); f(2); expect(f).toHaveBeenCalledWith(3)', 'expected [Mock fn] to have been called with (3)\nit was called with\n  1: (1, "a")\n  2: (2)');
  await check('expect(fn()).toHaveBeenCalled()', 'expected [Mock fn] to have been called\nit was not called');
  await check('expect(1).toBeThere()', 'TypeError: there is no matcher toBeThere');
  await check('expect(0.1).toBeCloseTo(0.2)', 'expected 0.1 to be close to 0.2\nthey may differ by less than 0.005, and differ by 0.1');
  await check('expect.assertions(2); expect(1).toBe(1)', 'expected 2 assertions, but there were 1');
  await check('expect.hasAssertions()', 'expected at least one assertion, but there were 0');
  await check('expect.unreachable()', 'this was not to be reached');
});

test('values of any kind are shown', async () => {
  const shown = async (value, expected) => {
    const [told] = await failures(`expect(${value}).toBe(expect.any(Error))`);
    assert.equal(told.split('\n')[0], `expected ${expected} to be any Error`);
  };
  await shown('-0', '-0');
  await shown('5n', '5n');
  await shown('Symbol("s")', 'Symbol(s)');
  await shown('new Map([["a", { b: 1 }]])', 'Map { "a" => { b: 1 } }');
  await shown('new Set([1])', 'Set { 1 }');
  await shown('new Date(0)', '1970-01-01T00:00:00.000Z');
  await shown('new Error("x")', '[Error: x]');
  await shown('new Uint8Array([1, 2])', 'Uint8Array [1, 2]');
  await shown('new (class Point { x = 1 })()', 'Point { x: 1 }');
  await shown('Object.create(null)', '[Object: null prototype] {}');
  await shown('new Headers({ a: "b" })', 'Headers { a: "b" }');
  await shown('new Response("x", { status: 404 })', 'Response { headers: Headers { "content-type": "text/plain;charset=UTF-8" }, status: 404 }');
  await shown('{ get a() { throw new Error("no"); } }', 'a value that cannot be shown (no)');
  await shown('(() => { const a = { b: {} }; a.b.a = a; return a; })()', '{ b: { a: [Circular] } }');
  await shown('"x".repeat(5000)', `"${'x'.repeat(156)}…`);
});

test('matchers of one\'s own', async () => {
  const extend = 'expect.extend({ toBeEven: (n) => ({ pass: n % 2 === 0, message: () => `${n} is odd, or is not` }) });';
  assert.deepEqual(await failures(`${extend} expect(2).toBeEven(); expect(3).not.toBeEven(); await expect(Promise.resolve(4)).resolves.toBeEven(); expect(3).toBeEven();`), ['3 is odd, or is not']);
});
