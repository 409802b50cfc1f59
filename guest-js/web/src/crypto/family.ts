// What an algorithm can do: one object of this shape for each name of `algorithms.ts`. Arguments are converted and checked as far as the
// standard does it for all algorithms alike.

import { DOMException } from '../web/dom-exception.ts';
import type { Algorithm } from './algorithms.ts';
import type { Jwk } from './jwk.ts';
import type { CryptoKey, KeyState, KeyType, Usage } from './key.ts';
import type { Held } from './host.ts';

export type Bytes = Uint8Array<ArrayBuffer>;
export type Format = 'raw' | 'pkcs8' | 'spki' | 'jwk';
export interface KeyPair { publicKey: CryptoKey; privateKey: CryptoKey }
type Later<T> = T | Promise<T>;

export interface Family {
  generateKey?(algorithm: Algorithm, extractable: boolean, usages: readonly Usage[]): Later<CryptoKey | KeyPair>;
  /** `data`: a Jwk for the format "jwk", else bytes. */
  importKey?(format: Format, data: Uint8Array | Jwk, algorithm: Algorithm, extractable: boolean, usages: readonly Usage[]): Later<CryptoKey>;
  exportKey?(format: Format, key: KeyState): Later<Bytes | Jwk>;
  /** Also wraps. */
  encrypt?(algorithm: Algorithm, key: KeyState, text: Uint8Array): Later<Bytes>;
  decrypt?(algorithm: Algorithm, key: KeyState, text: Uint8Array): Later<Bytes>;
  sign?(algorithm: Algorithm, key: KeyState, message: Uint8Array): Later<Bytes>;
  verify?(algorithm: Algorithm, key: KeyState, signature: Uint8Array, message: Uint8Array): Later<boolean>;
  /** `length` in bits; null for all there is. */
  deriveBits?(algorithm: Algorithm, key: KeyState, length: number | null): Later<Bytes>;
  /** In bits; null for any. */
  getKeyLength?(algorithm: Algorithm): number | null;
}

export function unsupported(what: string): DOMException { return new DOMException(what, 'NotSupportedError'); }
export function noFormat(name: string, format: string): DOMException { return unsupported(`a key for ${name} has no format "${format}"`); }
export function failure(what: string): DOMException { return new DOMException(what, 'OperationError'); }

export function checkType(key: KeyState, type: KeyType): void {
  if (key.type !== type) throw new DOMException(`a ${type} key is wanted, not a ${key.type} one`, 'InvalidAccessError');
}

export function onHost(key: KeyState): Held { return key.material as Held; }
