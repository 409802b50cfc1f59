// crypto: random values and random UUIDs; what SubtleCrypto does is in crypto/subtle.ts.

import { makeSubtle, SubtleCrypto } from '../crypto/subtle.ts';
import { CryptoKey } from '../crypto/key.ts';
import { native } from '../native.ts';
import { bytesSet, bytesSubarray, typedArrayTag } from '../primordials.ts';
import { hex } from '../sdk/crypto.ts';
import { bytesOf, finishInterface } from '../webidl.ts';
import { DOMException } from './dom-exception.ts';

const QUOTA_BYTES = 65_536;

let allowed = false;
class Crypto {
  readonly #subtle: SubtleCrypto;
  constructor() {
    if (!allowed) throw new TypeError('Illegal constructor');
    this.#subtle = makeSubtle();
  }
  get subtle(): SubtleCrypto { return this.#subtle; }
  getRandomValues<T>(array: T): T {
    void this.#subtle;
    const tag = typedArrayTag(array);
    if (tag === undefined || tag === 'Float32Array' || tag === 'Float64Array' || tag === 'Float16Array') {
      throw new DOMException('getRandomValues: the argument must be a typed array of integers', 'TypeMismatchError');
    }
    const bytes = bytesOf(array) as Uint8Array;
    if (bytes.length > QUOTA_BYTES) throw new DOMException(`getRandomValues: ${bytes.length} bytes are more than ${QUOTA_BYTES}`, 'QuotaExceededError');
    if (bytes.length > 0) bytesSet(bytes, native.randomBytes(bytes.length));
    return array;
  }
  randomUUID(): string {
    void this.#subtle;
    const bytes = native.randomBytes(16);
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    const part = (from: number, to: number): string => hex(bytesSubarray(bytes, from, to));
    return `${part(0, 4)}-${part(4, 6)}-${part(6, 8)}-${part(8, 10)}-${part(10, 16)}`;
  }
}
finishInterface(Crypto, 'Crypto');

allowed = true;
export const crypto = new Crypto();
allowed = false;
export { Crypto, CryptoKey, SubtleCrypto };
