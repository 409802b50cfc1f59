// Deep equality as node:assert and util.isDeepStrictEqual have it: strict by type and prototype, or loose by `==`.

import { sameBytes, utilTypes } from './types.ts';

type Pairs = Map<object, object>;

function ownEnumerable(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
}

function isObject(value: unknown): value is object { return typeof value === 'object' && value !== null; }

/** What a boxed primitive holds. */
function unboxed(value: object): unknown { return (value as { valueOf(): unknown }).valueOf(); }

function sameKeys(a: object, b: object, keys: readonly PropertyKey[], strict: boolean, pairs: Pairs): boolean {
  for (const key of keys) {
    if (!Object.prototype.propertyIsEnumerable.call(b, key)) return false;
    if (!equal((a as Record<PropertyKey, unknown>)[key], (b as Record<PropertyKey, unknown>)[key], strict, pairs)) return false;
  }
  return true;
}

/** Members of a set or keys of a map that are objects are compared with each one left of the other. */
function matchOne(item: unknown, rest: Set<unknown>, strict: boolean, pairs: Pairs, also: (other: unknown) => boolean = () => true): boolean {
  for (const other of rest) {
    // What one attempt has assumed does not hold for the next.
    if (equal(item, other, strict, new Map(pairs)) && also(other)) {
      rest.delete(other);
      return true;
    }
  }
  return false;
}

function sameSet(a: Set<unknown>, b: Set<unknown>, strict: boolean, pairs: Pairs): boolean {
  if (a.size !== b.size) return false;
  const rest = new Set<unknown>();
  for (const item of b) if (!a.has(item)) rest.add(item);
  for (const item of a) {
    if (b.has(item)) continue;
    if (strict && !isObject(item)) return false;
    if (!matchOne(item, rest, strict, pairs)) return false;
  }
  return rest.size === 0;
}

function sameMap(a: Map<unknown, unknown>, b: Map<unknown, unknown>, strict: boolean, pairs: Pairs): boolean {
  if (a.size !== b.size) return false;
  const rest = new Set<unknown>();
  for (const key of b.keys()) if (!a.has(key)) rest.add(key);
  for (const [key, value] of a) {
    if (b.has(key)) {
      if (!equal(value, b.get(key), strict, pairs)) return false;
      continue;
    }
    if (strict && !isObject(key)) return false;
    if (!matchOne(key, rest, strict, pairs, (other) => equal(value, b.get(other), strict, pairs))) return false;
  }
  return rest.size === 0;
}

function tagOf(value: object): string { return Object.prototype.toString.call(value); }

function equalObjects(a: object, b: object, strict: boolean, pairs: Pairs): boolean {
  const types = utilTypes();
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (tagOf(a) !== tagOf(b)) return false;
  const lists = Array.isArray(a);
  if (lists !== Array.isArray(b)) return false;
  if (lists && (a as unknown[]).length !== (b as unknown[]).length) return false;
  if (types.isDate(a) || types.isDate(b)) {
    if (!types.isDate(a) || !types.isDate(b)) return false;
    const [left, right] = [(a as Date).getTime(), (b as Date).getTime()];
    if (left !== right && !(Number.isNaN(left) && Number.isNaN(right))) return false;
  } else if (types.isRegExp(a) || types.isRegExp(b)) {
    if (!types.isRegExp(a) || !types.isRegExp(b) || `${a as unknown as string}` !== `${b as unknown as string}`) return false;
    if ((a as RegExp).lastIndex !== (b as RegExp).lastIndex) return false;
  } else if (a instanceof Error || b instanceof Error) {
    if (!(a instanceof Error) || !(b instanceof Error) || a.message !== b.message || a.name !== b.name) return false;
    if (('cause' in a || 'cause' in b) && !equal(a.cause, b.cause, strict, pairs)) return false;
    if ('errors' in a && 'errors' in b && !equal(a.errors, b.errors, strict, pairs)) return false;
  } else if (ArrayBuffer.isView(a) || types.isAnyArrayBuffer(a)) {
    if (!strict && (types.isFloat32Array(a) || types.isFloat64Array(a))) {
      const [left, right] = [a as unknown as number[], b as unknown as number[]];
      if (left.length !== right.length) return false;
      for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
    } else if (!sameBytes(a, b)) return false;
    // Elements are compared; what else it has, below.
    const extra = (value: object): PropertyKey[] => ownEnumerable(value).filter((key) => typeof key === 'symbol' || !/^\d+$/.test(key as string));
    const keys = extra(a);
    return keys.length === extra(b).length && sameKeys(a, b, keys, strict, pairs);
  } else if (types.isBoxedPrimitive(a) || types.isBoxedPrimitive(b)) {
    if (!types.isBoxedPrimitive(a) || !types.isBoxedPrimitive(b) || !Object.is(unboxed(a), unboxed(b))) return false;
  } else if (types.isMap(a) !== types.isMap(b) || types.isSet(a) !== types.isSet(b)) return false;

  const seen = pairs.get(a);
  if (seen !== undefined) return seen === b;
  pairs.set(a, b);
  let keys = ownEnumerable(a);
  let others = ownEnumerable(b);
  if (!strict) {
    keys = keys.filter((key) => typeof key !== 'symbol');
    others = others.filter((key) => typeof key !== 'symbol');
  }
  let same = keys.length === others.length && sameKeys(a, b, keys, strict, pairs);
  if (same && types.isSet(a)) same = sameSet(a as Set<unknown>, b as Set<unknown>, strict, pairs);
  if (same && types.isMap(a)) same = sameMap(a as Map<unknown, unknown>, b as Map<unknown, unknown>, strict, pairs);
  pairs.delete(a);
  return same;
}

function equal(a: unknown, b: unknown, strict: boolean, pairs: Pairs): boolean {
  if (a === b) return a !== 0 || !strict || Object.is(a, b);
  if (strict) {
    if (!isObject(a)) return typeof a === 'number' && a !== a && b !== b;
    if (!isObject(b)) return false;
  } else {
    if (!isObject(a)) return !isObject(b) && (a == b || (a !== a && b !== b));
    if (!isObject(b)) return false;
  }
  return equalObjects(a, b, strict, pairs);
}

export function isDeepEqual(a: unknown, b: unknown, strict: boolean): boolean { return equal(a, b, strict, new Map()); }
