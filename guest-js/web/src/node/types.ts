// util.types: what a value is by its internals, whatever its prototype says.

import { once } from '../lazy.ts';
import { getPrototypeOf, isView, typedArrayTag, uncurryThis } from '../primordials.ts';
import { bytesOf } from '../webidl.ts';
import { CryptoKey } from '../web/crypto.ts';
import { unavailable } from './errors.ts';

type Check = (value: unknown) => boolean;

const toStringTag = uncurryThis(Object.prototype.toString) as (value: unknown) => string;

/** Whether calling a method of the language on the value works: methods look at internals. */
function accepts(method: (this: never, ...args: never[]) => unknown, ...args: unknown[]): Check {
  const call = uncurryThis(method as (this: unknown, ...rest: unknown[]) => unknown);
  return (value) => {
    if (typeof value !== 'object' || value === null) return false;
    try {
      call(value, ...args);
      return true;
    } catch {
      return false;
    }
  };
}

function getterOf(prototype: object, name: PropertyKey): () => unknown {
  return (Object.getOwnPropertyDescriptor(prototype, name) as { get: () => unknown }).get;
}

export const utilTypes = once(() => {
  const generator = Object.getPrototypeOf(Object.getPrototypeOf((function* () { yield 1; })())) as object;
  const isDate = accepts(Date.prototype.getTime);
  const isRegExp: Check = (value) => typeof value === 'object' && value !== null && value !== RegExp.prototype && accepts(getterOf(RegExp.prototype, 'source'))(value);
  const isMap = accepts(getterOf(Map.prototype, 'size'));
  const isSet = accepts(getterOf(Set.prototype, 'size'));
  const isWeakMap = accepts(WeakMap.prototype.has, {});
  const isWeakSet = accepts(WeakSet.prototype.has, {});
  const isNumberObject = accepts(Number.prototype.valueOf);
  const isStringObject = accepts(String.prototype.valueOf);
  const isBooleanObject = accepts(Boolean.prototype.valueOf);
  const isBigIntObject = accepts(BigInt.prototype.valueOf);
  const isSymbolObject = accepts(Symbol.prototype.valueOf);
  const isArrayBuffer = accepts(getterOf(ArrayBuffer.prototype, 'byteLength'));
  const isSharedArrayBuffer: Check = typeof SharedArrayBuffer === 'function' ? accepts(getterOf(SharedArrayBuffer.prototype, 'byteLength')) : () => false;
  const isDataView: Check = (value) => isView(value) && typedArrayTag(value) === undefined;
  const isPromise: Check = (value) => {
    if (typeof value !== 'object' || value === null || !(value instanceof Promise)) return false;
    // Only of a promise can an own constructor be asked: Promise.resolve gives it back as it is.
    return toStringTag(value) === '[object Promise]' || getPrototypeOf(value) !== Object.prototype;
  };
  const tagged = (...tags: string[]): Check => (value) => tags.includes(toStringTag(value));
  const typed = (name: string): Check => (value) => typedArrayTag(value) === name;

  return {
    isDate, isRegExp, isMap, isSet, isWeakMap, isWeakSet, isNumberObject, isStringObject, isBooleanObject, isBigIntObject, isSymbolObject,
    isArrayBuffer, isSharedArrayBuffer, isDataView, isPromise,
    isAnyArrayBuffer: ((value) => isArrayBuffer(value) || isSharedArrayBuffer(value)) as Check,
    isArrayBufferView: isView as Check,
    isTypedArray: ((value) => typedArrayTag(value) !== undefined) as Check,
    isBoxedPrimitive: ((value) => isNumberObject(value) || isStringObject(value) || isBooleanObject(value) || isBigIntObject(value) || isSymbolObject(value)) as Check,
    isNativeError: ((value) => toStringTag(value) === '[object Error]' || value instanceof Error) as Check,
    isAsyncFunction: tagged('[object AsyncFunction]', '[object AsyncGeneratorFunction]'),
    isGeneratorFunction: tagged('[object GeneratorFunction]', '[object AsyncGeneratorFunction]'),
    isGeneratorObject: ((value) => tagged('[object Generator]', '[object AsyncGenerator]')(value) && value !== generator) as Check,
    isArgumentsObject: tagged('[object Arguments]'),
    isMapIterator: tagged('[object Map Iterator]'),
    isSetIterator: tagged('[object Set Iterator]'),
    isModuleNamespaceObject: ((value) => typeof value === 'object' && value !== null && getPrototypeOf(value) === null && tagged('[object Module]')(value)) as Check,
    isUint8Array: typed('Uint8Array'), isUint8ClampedArray: typed('Uint8ClampedArray'), isUint16Array: typed('Uint16Array'), isUint32Array: typed('Uint32Array'),
    isInt8Array: typed('Int8Array'), isInt16Array: typed('Int16Array'), isInt32Array: typed('Int32Array'), isFloat32Array: typed('Float32Array'),
    isFloat64Array: typed('Float64Array'), isBigInt64Array: typed('BigInt64Array'), isBigUint64Array: typed('BigUint64Array'),
    isCryptoKey: ((value) => value instanceof CryptoKey) as Check,
    /** There are no such objects here. */
    isKeyObject: (() => false) as Check,
    isExternal: (() => false) as Check,
    isProxy: unavailable('util.types.isProxy', 'the language hides it'),
  };
});


/** Whether two views or buffers hold the same bytes. */
export function sameBytes(a: unknown, b: unknown): boolean {
  const left = bytesOf(a);
  const right = bytesOf(b);
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}
