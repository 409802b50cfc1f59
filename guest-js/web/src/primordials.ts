// The language's own functions, saved before any applet runs. The driver calls these and never a method through a prototype,
// so that an applet that replaces `Promise.prototype.then` or `JSON.stringify` changes only what it sees itself.

const { bind, call } = Function.prototype;

/** Makes `f(self, ...rest)` of the method `self.f(...rest)`. */
export const uncurryThis = bind.bind(call) as <T, A extends readonly unknown[], R>(method: (this: T, ...rest: A) => R) => (self: T, ...rest: A) => R;

function getter<T, R>(prototype: object, name: PropertyKey): (self: T) => R {
  return uncurryThis((Object.getOwnPropertyDescriptor(prototype, name) as { get: (this: T) => R }).get);
}

export const { apply, ownKeys, getPrototypeOf } = Reflect;
export const { assign, create, defineProperty, freeze, getOwnPropertyDescriptor, keys: objectKeys, setPrototypeOf } = Object;
export const hasOwn: (object: object, key: PropertyKey) => boolean = Object.hasOwn;
export const ObjectPrototype = Object.prototype;
export const isArray: (value: unknown) => value is unknown[] = Array.isArray;
export const { parse: jsonParse, stringify: jsonStringify } = JSON;
export const { fromCharCode } = String;
export const isView: (value: unknown) => value is ArrayBufferView = ArrayBuffer.isView;
export const { ceil, floor, max, min, round, sqrt } = Math;

export const SavedPromise = Promise;
export const promiseThen = uncurryThis(Promise.prototype.then) as <T>(
  self: Promise<T>, fulfilled?: (value: T) => unknown, rejected?: (reason: unknown) => unknown) => Promise<unknown>;
const resolveOf = uncurryThis(Promise.resolve) as (self: unknown, value: unknown) => Promise<unknown>;
const rejectOf = uncurryThis(Promise.reject) as (self: unknown, value: unknown) => Promise<never>;
export function promiseResolve<T>(value: T): Promise<Awaited<T>> { return resolveOf(SavedPromise, value) as Promise<Awaited<T>>; }
export function promiseReject(reason: unknown): Promise<never> { return rejectOf(SavedPromise, reason); }

export const SavedMap = Map;
export const mapGet = uncurryThis(Map.prototype.get) as <K, V>(self: Map<K, V>, key: K) => V | undefined;
export const mapSet = uncurryThis(Map.prototype.set) as <K, V>(self: Map<K, V>, key: K, value: V) => Map<K, V>;
export const mapDelete = uncurryThis(Map.prototype.delete) as <K, V>(self: Map<K, V>, key: K) => boolean;
export const mapSize = getter<Map<unknown, unknown>, number>(Map.prototype, 'size');
export const mapForEach = uncurryThis(Map.prototype.forEach) as <K, V>(self: Map<K, V>, each: (value: V, key: K) => void) => void;
export const setSize = getter<Set<unknown>, number>(Set.prototype, 'size');
export const setForEach = uncurryThis(Set.prototype.forEach) as <T>(self: Set<T>, each: (value: T) => void) => void;

export const arrayJoin = uncurryThis(Array.prototype.join) as (self: readonly unknown[], separator: string) => string;
export const arrayIndexOf = uncurryThis(Array.prototype.indexOf) as <T>(self: readonly T[], value: T) => number;

export const charCodeAt = uncurryThis(String.prototype.charCodeAt);
export const codePointAt = uncurryThis(String.prototype.codePointAt);
export const indexOf = uncurryThis(String.prototype.indexOf);
export const lastIndexOf = uncurryThis(String.prototype.lastIndexOf);
export const slice = uncurryThis(String.prototype.slice);
export const startsWith = uncurryThis(String.prototype.startsWith);
export const trim = uncurryThis(String.prototype.trim);
export const toLowerCase = uncurryThis(String.prototype.toLowerCase);
export const toUpperCase = uncurryThis(String.prototype.toUpperCase);
export const repeat = uncurryThis(String.prototype.repeat);
export const padStart = uncurryThis(String.prototype.padStart);
export const split = uncurryThis(String.prototype.split) as unknown as (self: string, separator: string, limit?: number) => string[];
export const toWellFormed = uncurryThis(String.prototype.toWellFormed);
export const numberToString = uncurryThis(Number.prototype.toString);
export const bigintToString = uncurryThis(BigInt.prototype.toString);
export const symbolToString = uncurryThis(Symbol.prototype.toString);
const regexpTest = uncurryThis(RegExp.prototype.exec);
/** Whether a pattern matches: through the saved `exec`, for patterns without state. */
export function matches(pattern: RegExp, text: string): boolean { return regexpTest(pattern, text) !== null; }

export const SavedUint8Array = Uint8Array;
const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
/** The name of a typed array's class, undefined for anything else. */
export const typedArrayTag = getter<unknown, string | undefined>(typedArrayPrototype, Symbol.toStringTag);
export const typedArrayBuffer = getter<unknown, ArrayBuffer>(typedArrayPrototype, 'buffer');
export const typedArrayByteOffset = getter<unknown, number>(typedArrayPrototype, 'byteOffset');
export const typedArrayByteLength = getter<unknown, number>(typedArrayPrototype, 'byteLength');
export const typedArrayLength = getter<unknown, number>(typedArrayPrototype, 'length');
export const bytesSet = uncurryThis(Uint8Array.prototype.set) as (self: Uint8Array, source: ArrayLike<number>, offset?: number) => void;
export const bytesSlice = uncurryThis(Uint8Array.prototype.slice) as (self: Uint8Array, start?: number, end?: number) => Uint8Array<ArrayBuffer>;
export const bytesSubarray = uncurryThis(Uint8Array.prototype.subarray) as (self: Uint8Array, start?: number, end?: number) => Uint8Array;
export const bufferByteLength = getter<unknown, number>(ArrayBuffer.prototype, 'byteLength');
export const viewBuffer = getter<unknown, ArrayBuffer>(DataView.prototype, 'buffer');
export const viewByteOffset = getter<unknown, number>(DataView.prototype, 'byteOffset');
export const viewByteLength = getter<unknown, number>(DataView.prototype, 'byteLength');

/** A copy; unlike `slice`, it does not ask the array's constructor for its species. */
export function copyArray<T>(list: readonly T[]): T[] {
  const copy: T[] = [];
  for (let i = 0; i < list.length; i++) copy[i] = list[i] as T;
  return copy;
}

/** Appends without a look at `Array.prototype.push`. */
export function push<T>(list: T[], value: T): void { list[list.length] = value; }
