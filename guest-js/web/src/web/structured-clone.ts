// structuredClone (HTML standard, 2.7 "Safe passing of structured data"): copies values with their cycles, moves what is transferred.
// Interfaces of the platform that can be copied or moved register themselves here.

import {
  apply, bufferByteLength, bytesSet, bytesSlice, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, isArray, isView, mapForEach, mapGet, mapSet, mapSize,
  objectKeys, ObjectPrototype, push, SavedMap, SavedUint8Array, setForEach, setSize, typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, typedArrayLength, typedArrayTag,
  uncurryThis, viewBuffer, viewByteLength, viewByteOffset,
} from '../primordials.ts';
import { sequence } from '../lazy.ts';
import { dictionary, isPlatformObject } from '../webidl.ts';
import { DOMException, isDOMException } from './dom-exception.ts';

type Memory = Map<unknown, unknown>;
/** Copies an object of its kind; undefined for any other. */
type Copy = (value: object) => object | undefined;
/** For an object of its kind that can be moved: what takes its place, and what moves it once nothing can fail any more. */
type Move = (value: object) => { readonly value: object; readonly finish: () => void } | undefined;
const copies: Copy[] = [];
const moves: Move[] = [];
export function registerCopy(copy: Copy): void { push(copies, copy); }
export function registerMove(move: Move): void { push(moves, move); }

const { Map: SaveMap, Set: SavedSet, Date: SavedDate, RegExp: SavedRegExp, DataView: SavedDataView, ArrayBuffer: SavedBuffer, Error: SavedError } = globalThis;
const { Promise: SavedPromise, WeakMap: SavedWeakMap, WeakSet: SavedWeakSet, WeakRef: SavedWeakRef, FinalizationRegistry: SavedRegistry } = globalThis;
const setAdd = uncurryThis(Set.prototype.add) as (self: Set<unknown>, value: unknown) => unknown;
const dateTime = uncurryThis(Date.prototype.getTime);
const accessor = (prototype: object, name: string): ((self: unknown) => string) =>
  uncurryThis((Object.getOwnPropertyDescriptor(prototype, name) as { get: (this: unknown) => string }).get);
const regexpSource = accessor(RegExp.prototype, 'source');
const regexpFlags = accessor(RegExp.prototype, 'flags');
const bufferResize = uncurryThis((ArrayBuffer.prototype as unknown as { resize(this: ArrayBuffer, size: number): void }).resize);
const typedArrayAt = uncurryThis(Uint8Array.prototype.at);
export const bufferTransfer = uncurryThis(ArrayBuffer.prototype.transfer);
const boxes: [new (...args: never) => object, (value: never) => unknown][] = [
  [Number, uncurryThis(Number.prototype.valueOf)], [String, uncurryThis(String.prototype.valueOf)], [Boolean, uncurryThis(Boolean.prototype.valueOf)],
  [BigInt as never, uncurryThis(BigInt.prototype.valueOf)],
];
export const ARRAYS: Record<string, new (buffer: ArrayBuffer, offset: number, length?: number) => object> = { __proto__: null } as never;
for (const kind of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]) {
  ARRAYS[kind.name] = kind;
}
const half = (globalThis as unknown as { Float16Array?: (typeof ARRAYS)[string] }).Float16Array;
if (half !== undefined) ARRAYS['Float16Array'] = half;
const ERRORS: Record<string, ErrorConstructor> = { __proto__: null, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError } as never;
const SavedObject = Object;

function fail(what: string): never { throw new DOMException(`${what} cannot be cloned`, 'DataCloneError'); }

function isA<T>(value: object, check: (value: never) => T): boolean {
  try {
    check(value as never);
    return true;
  } catch {
    return false;
  }
}

export function isDetached(buffer: ArrayBuffer): boolean {
  try {
    return new SavedUint8Array(buffer).length < 0;
  } catch {
    return true;
  }
}

function copyBuffer(buffer: ArrayBuffer): ArrayBuffer {
  if (isDetached(buffer)) fail('a detached ArrayBuffer');
  const length = bufferByteLength(buffer);
  const { resizable, maxByteLength } = buffer as { resizable?: boolean; maxByteLength?: number };
  const copy = resizable === true && maxByteLength !== undefined ? new SavedBuffer(length, { maxByteLength } as never) : new SavedBuffer(length);
  bytesSet(new SavedUint8Array(copy), new SavedUint8Array(buffer));
  return copy;
}

const byteLengthOf = (view: ArrayBufferView): number => (typedArrayTag(view) === undefined ? viewByteLength(view) : typedArrayByteLength(view));

/** Whether a view grows and shrinks with its buffer. Nothing in the language tells, so the buffer is resized for a moment. */
function tracksLength(view: ArrayBufferView, buffer: ArrayBuffer): boolean {
  const { resizable, maxByteLength } = buffer as { resizable?: boolean; maxByteLength?: number };
  if (resizable !== true || maxByteLength === undefined) return false;
  const size = bufferByteLength(buffer);
  const before = byteLengthOf(view);
  // As much as the largest element needs: the length of an array is in whole elements.
  const grown = size + 8;
  if (grown <= maxByteLength) {
    bufferResize(buffer, grown);
    const isLonger = byteLengthOf(view) > before;
    bufferResize(buffer, size);
    return isLonger;
  }
  if (before < 8) return false;
  const tail = bytesSlice(new SavedUint8Array(buffer, size - 8, 8));
  bufferResize(buffer, size - 8);
  const isShorter = isInBounds(view) && byteLengthOf(view) === before - 8;
  bufferResize(buffer, size);
  bytesSet(new SavedUint8Array(buffer), tail, size - 8);
  return isShorter;
}

function isInBounds(view: ArrayBufferView): boolean {
  return typedArrayTag(view) === undefined ? isA(view, viewByteOffset) : isA(view, (array: Uint8Array) => typedArrayAt(array, 0));
}

function copyView(view: ArrayBufferView, memory: Memory): object {
  const tag = typedArrayTag(view);
  const buffer = tag === undefined ? viewBuffer(view) : typedArrayBuffer(view);
  if (isDetached(buffer)) fail('a view of a detached ArrayBuffer');
  if (!isInBounds(view)) fail('a view beyond the end of its ArrayBuffer');
  const isTracking = tracksLength(view, buffer);
  const copy = clone(buffer, memory) as ArrayBuffer;
  if (tag === undefined) return isTracking ? new SavedDataView(copy, viewByteOffset(view)) : new SavedDataView(copy, viewByteOffset(view), viewByteLength(view));
  return new (ARRAYS[tag] as (typeof ARRAYS)[string])(copy, typedArrayByteOffset(view), isTracking ? undefined : typedArrayLength(view));
}

function copyError(error: Error, memory: Memory): object {
  const kind = ERRORS[`${error.name}`] ?? SavedError;
  const message = getOwnPropertyDescriptor(error, 'message');
  const copy = message !== undefined && 'value' in message ? new kind(`${message.value as string}`) : new kind();
  mapSet(memory, error, copy);
  const hidden = (name: string, value: unknown): void => {
    defineProperty(copy, name, { __proto__: null, value, writable: true, configurable: true, enumerable: false } as PropertyDescriptor);
  };
  const { stack } = error as { stack?: unknown };
  if (typeof stack === 'string') hidden('stack', stack);
  if (hasOwn(error, 'cause')) hidden('cause', clone(error.cause, memory));
  return copy;
}

/** A copy without properties; undefined for plain objects and arrays. */
function copyExotic(value: object, memory: Memory): object | undefined {
  if (value instanceof SaveMap && isA(value, mapSize)) {
    const copy = new SavedMap<unknown, unknown>();
    mapSet(memory, value, copy);
    const pairs: unknown[] = [];
    mapForEach(value, (item, key) => {
      push(pairs, key);
      push(pairs, item);
    });
    for (let i = 0; i < pairs.length; i += 2) mapSet(copy, clone(pairs[i], memory), clone(pairs[i + 1], memory));
    return copy;
  }
  if (value instanceof SavedSet && isA(value, setSize)) {
    const copy = new SavedSet<unknown>();
    mapSet(memory, value, copy);
    const items: unknown[] = [];
    setForEach(value, (item) => push(items, item));
    for (let i = 0; i < items.length; i++) setAdd(copy, clone(items[i], memory));
    return copy;
  }
  if (isView(value)) return copyView(value, memory);
  if (value instanceof SavedDate && isA(value, dateTime)) return new SavedDate(dateTime(value));
  if (value instanceof SavedRegExp && isA(value, regexpSource)) return new SavedRegExp(regexpSource(value), regexpFlags(value));
  if (value instanceof SavedBuffer && isA(value, bufferByteLength)) return copyBuffer(value);
  for (let i = 0; i < copies.length; i++) {
    const copy = (copies[i] as Copy)(value);
    if (copy !== undefined) return copy;
  }
  if (isPlatformObject(value) || value instanceof SavedPromise || value instanceof SavedWeakMap || value instanceof SavedWeakSet
    || value instanceof SavedWeakRef || value instanceof SavedRegistry || value instanceof Symbol) fail('an object of this kind');
  if (value instanceof SavedError) return copyError(value, memory);
  for (let i = 0; i < boxes.length; i++) {
    const [kind, unbox] = boxes[i] as (typeof boxes)[number];
    if (value instanceof kind && isA(value, unbox)) return SavedObject(unbox(value as never)) as object;
  }
  return undefined;
}

function clone(value: unknown, memory: Memory): unknown {
  if (typeof value === 'symbol') fail('a symbol');
  if (typeof value === 'function') fail('a function');
  if (typeof value !== 'object' || value === null) return value;
  const known = mapGet(memory, value);
  if (known !== undefined) return known;
  const prototype = getPrototypeOf(value);
  const list = isArray(value);
  if (!list && prototype !== ObjectPrototype && prototype !== null) {
    const copy = copyExotic(value, memory);
    if (copy !== undefined) {
      mapSet(memory, value, copy);
      return copy;
    }
  }
  const copy: Record<string, unknown> = (list ? [] : {}) as never;
  if (list) (copy as unknown as unknown[]).length = value.length;
  mapSet(memory, value, copy);
  const names = objectKeys(value);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    // A getter may have removed what comes later.
    if (!hasOwn(value, name)) continue;
    const item = clone((value as Record<string, unknown>)[name], memory);
    // What a prototype has (`__proto__`, a setter) must not be called.
    if (name in copy) defineProperty(copy, name, { __proto__: null, value: item, writable: true, enumerable: true, configurable: true } as PropertyDescriptor);
    else copy[name] = item;
  }
  return copy;
}

/** An ArrayBuffer to be moved: a buffer of its size takes its place at once, its bytes come when the value has been copied. */
function moveBuffer(value: object): ReturnType<Move> {
  if (!(value instanceof SavedBuffer) || !isA(value, bufferByteLength)) return undefined;
  if (isDetached(value)) fail('a detached ArrayBuffer');
  const copy = copyBuffer(value);
  return {
    value: copy,
    finish: () => {
      if (isDetached(value)) fail('a detached ArrayBuffer');
      bytesSet(new SavedUint8Array(copy), new SavedUint8Array(value));
      bufferTransfer(value);
    },
  };
}
registerMove(moveBuffer);
registerCopy((value) => {
  if (!isDOMException(value)) return undefined;
  const copy = new DOMException(value.message, value.name);
  defineProperty(copy, 'stack', { __proto__: null, value: value.stack, writable: true, configurable: true } as PropertyDescriptor);
  return copy;
});

/** Copies `value` and moves what `transfer` lists; answers both. */
export function cloneWithTransfer(value: unknown, transfer: unknown): { value: unknown; moved: object[] } {
  const memory: Memory = new SavedMap();
  const list = transfer === undefined ? [] : sequence(transfer, 'transfer');
  const finishes: (() => void)[] = [];
  const moved: object[] = [];
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    if (typeof item !== 'object' || item === null) throw new TypeError('transfer: every entry must be an object');
    if (mapGet(memory, item) !== undefined) fail('an object that is transferred twice');
    let move: ReturnType<Move>;
    for (let m = 0; m < moves.length && move === undefined; m++) move = (moves[m] as Move)(item);
    if (move === undefined) throw new DOMException('an object of this kind cannot be transferred', 'DataCloneError');
    mapSet(memory, item, move.value);
    push(finishes, move.finish);
    push(moved, move.value);
  }
  const copy = clone(value, memory);
  for (let i = 0; i < finishes.length; i++) apply(finishes[i] as () => void, undefined, []);
  return { value: copy, moved };
}

export function structuredClone(value: unknown, options?: unknown): unknown {
  if (arguments.length === 0) throw new TypeError('structuredClone: give a value');
  return cloneWithTransfer(value, dictionary(options, 'structuredClone')['transfer']).value;
}
