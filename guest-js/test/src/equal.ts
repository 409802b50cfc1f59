// When two values are the same, in the three ways of vitest: `toEqual` (what is undefined is not there), `toStrictEqual`, `toMatchObject` (what is
// expected is there), with asymmetric matchers anywhere on the expected side.

/** A value that decides itself what equals it. */
export const MATCHES: unique symbol = Symbol('matches');

export type How = 'equal' | 'strict' | 'subset';

export function isAsymmetric(value: unknown): value is { [MATCHES](received: unknown): boolean } {
  return typeof value === 'object' && value !== null && MATCHES in value;
}

type Pairs = readonly (readonly [object, object])[];

function namesOf(object: object, how: How): PropertyKey[] {
  const record = object as Record<PropertyKey, unknown>;
  const symbols = Object.getOwnPropertySymbols(object).filter((name) => Object.prototype.propertyIsEnumerable.call(object, name));
  const names: PropertyKey[] = [...Object.keys(object), ...symbols];
  return how === 'equal' ? names.filter((name) => record[name] !== undefined) : names;
}

function isBytes(value: unknown): value is ArrayBufferView | ArrayBuffer { return ArrayBuffer.isView(value) || value instanceof ArrayBuffer; }

function bytesOf(value: ArrayBufferView | ArrayBuffer): Uint8Array {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function arrays(received: readonly unknown[], expected: readonly unknown[], how: How, pairs: Pairs): boolean {
  if (received.length !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) {
    if (how === 'strict' && i in received !== i in expected) return false;
    if (!same(received[i], expected[i], how, pairs)) return false;
  }
  return true;
}

/** Each of the one has its like among the others that are left. */
function collections(received: Iterable<unknown>, expected: Iterable<unknown>, how: How, pairs: Pairs): boolean {
  const left = [...received];
  for (const wanted of expected) {
    const at = left.findIndex((one) => same(one, wanted, how, pairs));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
}

function objects(received: object, expected: object, how: How, pairs: Pairs): boolean {
  const wanted = namesOf(expected, how);
  if (how !== 'subset' && namesOf(received, how).length !== wanted.length) return false;
  for (const name of wanted) {
    if (how === 'subset' ? !(name in received) : how === 'strict' && !Object.hasOwn(received, name)) return false;
    if (!same((received as Record<PropertyKey, unknown>)[name], (expected as Record<PropertyKey, unknown>)[name], how, pairs)) return false;
  }
  return true;
}

function errors(received: Error, expected: Error, how: How, pairs: Pairs): boolean {
  return received.name === expected.name && received.message === expected.message && same(received.cause, expected.cause, how, pairs)
    && objects(received, expected, how, pairs);
}

function same(received: unknown, expected: unknown, how: How, pairs: Pairs): boolean {
  if (isAsymmetric(expected)) return expected[MATCHES](received);
  if (Object.is(received, expected)) return true;
  if (typeof received !== 'object' || typeof expected !== 'object' || received === null || expected === null) return false;
  // A pair that is being compared further out is as equal as the rest of it.
  if (pairs.some(([left, right]) => left === received && right === expected)) return true;
  const within: Pairs = [...pairs, [received, expected]];
  if (how === 'strict' && Object.getPrototypeOf(received) !== Object.getPrototypeOf(expected)) return false;
  if (Array.isArray(received) || Array.isArray(expected)) {
    return Array.isArray(received) && Array.isArray(expected) && arrays(received, expected, how, within);
  }
  // An error has its code, its name and more to be looked at one by one.
  if (how === 'subset' && received instanceof Error && !(expected instanceof Error)) return objects(received, expected, how, within);
  for (const kind of [Date, RegExp, Error, Map, Set, URL, URLSearchParams, Headers, Promise] as (abstract new (...given: never) => object)[]) {
    if (received instanceof kind !== expected instanceof kind) return false;
  }
  if (received instanceof Date) return Object.is(received.getTime(), (expected as Date).getTime());
  if (received instanceof RegExp) return `${received}` === `${expected as RegExp}`;
  if (received instanceof URL || received instanceof URLSearchParams) return `${received}` === `${expected as URL}`;
  if (received instanceof Promise) return false;
  if (received instanceof Headers) return arrays([...received], [...(expected as Headers)], how, within);
  if (received instanceof Error) return errors(received, expected as Error, how, within);
  if (received instanceof Map || received instanceof Set) {
    const other = expected as Map<unknown, unknown> | Set<unknown>;
    return received.size === other.size && collections(received, other, how, within);
  }
  if (isBytes(received) || isBytes(expected)) {
    if (!isBytes(received) || !isBytes(expected) || received.constructor !== expected.constructor) return false;
    const [left, right] = [bytesOf(received), bytesOf(expected)];
    return left.length === right.length && left.every((byte, at) => byte === right[at]);
  }
  for (const kind of [Number, String, Boolean] as (new (...given: never) => { valueOf(): unknown })[]) {
    if (received instanceof kind !== expected instanceof kind) return false;
    if (received instanceof kind && !Object.is(received.valueOf(), expected.valueOf())) return false;
  }
  return objects(received, expected, how, within);
}

/** Whether what came is what was expected. */
export function equal(received: unknown, expected: unknown, how: How = 'equal'): boolean { return same(received, expected, how, []); }
