// CryptoKey: what a key is for, and where its material is. It computes nothing.

import { arrayIndexOf, copyArray, defineProperty, freeze, push, SavedUint8Array } from '../primordials.ts';
import { finishInterface, isObject } from '../webidl.ts';
import { DOMException } from '../web/dom-exception.ts';
import { registerCopy } from '../web/structured-clone.ts';
import { sequence } from '../lazy.ts';
import type { Held } from './host.ts';

export type KeyType = 'secret' | 'private' | 'public';
/** In the order in which `usages` has them. */
const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'] as const;
export type Usage = (typeof USAGES)[number];

export interface KeyAlgorithm { readonly name: string; readonly hash?: { name: string }; readonly length?: number; readonly namedCurve?: string; readonly modulusLength?: number; readonly publicExponent?: Uint8Array }

export interface KeyState {
  readonly type: KeyType;
  readonly extractable: boolean;
  readonly algorithm: KeyAlgorithm;
  readonly usages: readonly Usage[];
  /** Keys of HMAC, PBKDF2 and HKDF are here, all others on the host. */
  readonly material: Uint8Array | Held;
}

let makeKey: (state: KeyState) => CryptoKey;
export let keyState: (value: unknown, what?: string) => KeyState;
export let isKey: (value: unknown) => value is CryptoKey;
let mayConstruct = false;

export class CryptoKey {
  readonly #state: KeyState;
  // The same objects each time they are read, as the standard has it.
  #algorithm: object | undefined;
  #usages: Usage[] | undefined;
  static {
    makeKey = (state) => {
      mayConstruct = true;
      try {
        return new (CryptoKey as unknown as new (state: KeyState) => CryptoKey)(state);
      } finally {
        mayConstruct = false;
      }
    };
    isKey = (value): value is CryptoKey => isObject(value) && #state in value;
    keyState = (value, what = 'the key') => {
      if (!isObject(value) || !(#state in value)) throw new TypeError(`${what} must be a CryptoKey`);
      return value.#state;
    };
  }
  constructor() {
    if (!mayConstruct) throw new TypeError('Illegal constructor');
    mayConstruct = false;
    this.#state = arguments[0] as KeyState;
  }
  get type(): KeyType { return this.#state.type; }
  get extractable(): boolean { return this.#state.extractable; }
  get algorithm(): object { return (this.#algorithm ??= shownAlgorithm(this.#state.algorithm)); }
  get usages(): Usage[] { return (this.#usages ??= copyArray(this.#state.usages)); }
}
finishInterface(CryptoKey, 'CryptoKey');

function shownAlgorithm(algorithm: KeyAlgorithm): object {
  const shown: Record<string, unknown> = {};
  const put = (name: string, value: unknown): void => {
    if (value !== undefined) defineProperty(shown, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true } as PropertyDescriptor);
  };
  put('name', algorithm.name);
  put('modulusLength', algorithm.modulusLength);
  put('publicExponent', algorithm.publicExponent === undefined ? undefined : new SavedUint8Array(algorithm.publicExponent));
  put('namedCurve', algorithm.namedCurve);
  put('hash', algorithm.hash === undefined ? undefined : { name: algorithm.hash.name });
  put('length', algorithm.length);
  return shown;
}

registerCopy((value) => (isKey(value) ? makeKey(keyState(value)) : undefined));

export function newKey(type: KeyType, extractable: boolean, algorithm: KeyAlgorithm, usages: readonly Usage[], material: Uint8Array | Held): CryptoKey {
  return makeKey(freeze({ type, extractable, algorithm, usages: freeze(copyArray(usages)), material }));
}

/** The argument `keyUsages`: a sequence of the enumeration's values, each once, in its order. */
export function usagesOf(value: unknown): Usage[] {
  const given = sequence(value, 'keyUsages', (item) => {
    const text = `${item as string}`;
    if (arrayIndexOf(USAGES as readonly string[], text) < 0) throw new TypeError(`"${text}" is no usage of a key`);
    return text as Usage;
  });
  const usages: Usage[] = [];
  for (let i = 0; i < USAGES.length; i++) if (arrayIndexOf(given, USAGES[i] as Usage) >= 0) push(usages, USAGES[i] as Usage);
  return usages;
}

/** Usages a key of this kind cannot have are a SyntaxError. */
export function checkUsages(usages: readonly Usage[], possible: readonly Usage[]): void {
  for (let i = 0; i < usages.length; i++) {
    if (arrayIndexOf(possible, usages[i] as Usage) < 0) throw new DOMException(`a key of this kind cannot have the usage "${usages[i] as string}"`, 'SyntaxError');
  }
}

/** Those of `usages` that are in `possible`. */
export function only(usages: readonly Usage[], possible: readonly Usage[]): Usage[] {
  const kept: Usage[] = [];
  for (let i = 0; i < usages.length; i++) if (arrayIndexOf(possible, usages[i] as Usage) >= 0) push(kept, usages[i] as Usage);
  return kept;
}

/** A secret or private key without a usage is a SyntaxError. */
export function checkNotUseless(type: KeyType, usages: readonly Usage[]): void {
  if (type !== 'public' && usages.length === 0) throw new DOMException(`a ${type} key needs a usage`, 'SyntaxError');
}
