// Conversions that Web IDL prescribes for arguments, and the shape of what is installed on globalThis. Knows no interface by name.

import {
  bufferByteLength, bytesSlice, defineProperty, getPrototypeOf, isView, matches, ObjectPrototype, ownKeys, getOwnPropertyDescriptor, SavedUint8Array,
  split, toWellFormed, uncurryThis, typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, typedArrayTag, viewBuffer, viewByteLength, viewByteOffset,
} from './primordials.ts';

/** DOMString: the text of any value. Throws TypeError for symbols. */
export function domString(value: unknown): string { return typeof value === 'string' ? value : `${value as string}`; }

/** USVString: text whose lone surrogates are replaced. Throws TypeError for symbols. */
export function usvString(value: unknown): string { return toWellFormed(domString(value)); }

const BEYOND_BYTE = /[\u0100-\uffff]/;

/** ByteString: text of characters up to U+00FF. */
export function byteString(value: unknown, what: string): string {
  const text = domString(value);
  if (matches(BEYOND_BYTE, text)) throw new TypeError(`${what} holds a character beyond U+00FF`);
  return text;
}

export function isObject(value: unknown): value is object { return (typeof value === 'object' && value !== null) || typeof value === 'function'; }

/** Options given as a dictionary: undefined and null mean none. */
export function dictionary(value: unknown, what: string): Record<string, unknown> {
  if (value === undefined || value === null) return { __proto__: null } as never;
  if (!isObject(value)) throw new TypeError(`${what}: options must be an object`);
  return value as Record<string, unknown>;
}

/**
 * Web IDL's record: the enumerable own properties of an object, in order. Throws TypeError for a symbol among them. `put` may see a name twice,
 * because different keys may be converted to one.
 */
export function record<T>(object: object, nameOf: (key: string) => string, valueOf: (value: unknown, name: string) => T, put: (name: string, value: T) => void): void {
  const keys = ownKeys(object);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as PropertyKey;
    const descriptor = getOwnPropertyDescriptor(object, key);
    if (descriptor === undefined || descriptor.enumerable !== true) continue;
    if (typeof key === 'symbol') throw new TypeError('a symbol cannot be a name');
    const name = nameOf(key as string);
    put(name, valueOf((object as Record<PropertyKey, unknown>)[key], name));
  }
}

/** The bytes of an ArrayBuffer or of any view, not copied; undefined for anything else. */
export function bytesOf(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (isView(value)) {
    if (typedArrayTag(value) !== undefined) {
      return new SavedUint8Array(typedArrayBuffer(value), typedArrayByteOffset(value), typedArrayByteLength(value));
    }
    return new SavedUint8Array(viewBuffer(value), viewByteOffset(value), viewByteLength(value));
  }
  try {
    bufferByteLength(value);
  } catch {
    return undefined;
  }
  return new SavedUint8Array(value as ArrayBuffer);
}

/** A copy of the bytes of a BufferSource. */
export function copyOf(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  const bytes = bytesOf(value);
  return bytes === undefined ? undefined : bytesSlice(bytes);
}

const platform = new WeakSet();
const platformAdd = uncurryThis(WeakSet.prototype.add);
const platformHas = uncurryThis(WeakSet.prototype.has);

/** Whether an object is an instance of an interface of the platform. */
export function isPlatformObject(value: object): boolean {
  for (let at = getPrototypeOf(value); at !== null && at !== ObjectPrototype; at = getPrototypeOf(at)) if (platformHas(platform, at)) return true;
  return false;
}

/** Throws TypeError when a call gives fewer arguments than the interface requires. */
export function required(given: number, wanted: number, what: string): void {
  if (given < wanted) throw new TypeError(`${what}: ${wanted} argument${wanted > 1 ? 's are' : ' is'} required, ${given} given`);
}

function enumerable(object: object): void {
  const names = ownKeys(object);
  const isConstructor = typeof object === 'function';
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as PropertyKey;
    if (typeof name === 'symbol' || (isConstructor ? name === 'prototype' || name === 'name' || name === 'length' : name === 'constructor')) continue;
    const descriptor = getOwnPropertyDescriptor(object, name);
    if (descriptor !== undefined && descriptor.configurable === true) defineProperty(object, name, { ...descriptor, enumerable: true });
  }
}

/**
 * Names a class in `Object.prototype.toString`, and makes its members enumerable as Web IDL has them. `lengths` tells the number of
 * required arguments where optional parameters are counted by the language: `name:count` of an operation, `:count` of the constructor.
 */
export function finishInterface(constructor: { readonly prototype: object }, interfaceName: string, lengths = ''): void {
  const { prototype } = constructor;
  platformAdd(platform, prototype);
  // A bundler may have renamed the class.
  defineProperty(constructor, 'name', { value: interfaceName, configurable: true });
  enumerable(prototype);
  enumerable(constructor);
  const list = lengths === '' ? [] : split(lengths, ' ');
  for (let i = 0; i < list.length; i++) {
    const [name, value] = split(list[i] as string, ':') as [string, string];
    const of = name === '' ? constructor : ((prototype as Record<string, unknown>)[name] ?? (constructor as Record<string, unknown>)[name]);
    defineProperty(of as object, 'length', { value: Number(value), configurable: true });
  }
  defineProperty(prototype, Symbol.toStringTag, { value: interfaceName, configurable: true });
}

/** Installs a global as Web IDL has interfaces: writable, configurable, not enumerable. */
export function installGlobal(name: string, value: unknown): void {
  defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}
