// crypto: random values, and of SubtleCrypto what webhook signatures need (SHA-256 and HMAC with it); the rest says that it is missing.

import { native } from '../native.ts';
import { bytesSet, bytesSubarray, promiseReject, promiseResolve, SavedUint8Array, toUpperCase, typedArrayTag } from '../primordials.ts';
import { hex } from '../sdk/crypto.ts';
import { bytesOf, copyOf, dictionary, finishInterface, isObject } from '../webidl.ts';
import { DOMException } from './dom-exception.ts';

const QUOTA_BYTES = 65_536;
/** Bytes of a SHA-256 block, the length of a generated HMAC key. */
const BLOCK_BYTES = 64;

interface KeyState { bytes: Uint8Array; extractable: boolean; usages: string[] }
let makeKey: (state: KeyState) => CryptoKey;
let keyState: (value: unknown) => KeyState;

class CryptoKey {
  readonly #state: KeyState;
  static {
    makeKey = (state) => new CryptoKey(state);
    keyState = (value) => {
      if (typeof value !== 'object' || value === null || !(#state in value)) throw new TypeError('the key must be a CryptoKey');
      return value.#state;
    };
  }
  constructor(state?: KeyState) {
    if (state === undefined || !(state.bytes instanceof SavedUint8Array) || state !== permitted) throw new TypeError('Illegal constructor');
    this.#state = state;
  }
  get type(): string { return 'secret'; }
  get extractable(): boolean { return this.#state.extractable; }
  get algorithm(): object { return { name: 'HMAC', hash: { name: 'SHA-256' }, length: this.#state.bytes.length * 8 }; }
  get usages(): string[] { return this.#state.usages.slice(); }
}
finishInterface(CryptoKey, 'CryptoKey');

/** The state a constructor call of our own carries: nobody else can name it. */
let permitted: KeyState | undefined;
function newKey(state: KeyState): CryptoKey {
  permitted = state;
  try {
    return makeKey(state);
  } finally {
    permitted = undefined;
  }
}

function unsupported(what: string): DOMException {
  return new DOMException(`${what} is not supported: crypto.subtle has digest SHA-256, and HMAC with SHA-256 (importKey raw, generateKey, sign, verify)`, 'NotSupportedError');
}

function nameOf(algorithm: unknown): string {
  const name = typeof algorithm === 'string' ? algorithm : isObject(algorithm) ? (algorithm as { name?: unknown }).name : undefined;
  if (name === undefined) throw new TypeError('the algorithm has no name');
  return toUpperCase(`${name as string}`);
}

function data(value: unknown): Uint8Array {
  const bytes = bytesOf(value);
  if (bytes === undefined) throw new TypeError('the data must be an ArrayBuffer or a view of one');
  return bytes;
}

function checkHmac(algorithm: unknown, operation: string): void {
  const name = nameOf(algorithm);
  if (name !== 'HMAC') throw unsupported(`${operation} with ${name}`);
}

function checkHash(algorithm: unknown, operation: string): void {
  const hash = nameOf(dictionary(algorithm, operation)['hash']);
  if (hash !== 'SHA-256') throw unsupported(`${operation} with HMAC and ${hash}`);
}

function usagesOf(value: unknown): string[] {
  const usages: string[] = [];
  for (const usage of value as Iterable<unknown>) {
    const text = `${usage as string}`;
    if (text !== 'sign' && text !== 'verify') throw new DOMException(`an HMAC key cannot have the usage "${text}"`, 'SyntaxError');
    if (!usages.includes(text)) usages.push(text);
  }
  if (usages.length === 0) throw new DOMException('a secret key needs a usage', 'SyntaxError');
  return usages;
}

function usable(key: unknown, usage: string): Uint8Array {
  const state = keyState(key);
  if (!state.usages.includes(usage)) throw new DOMException(`the key is not for "${usage}"`, 'InvalidAccessError');
  return state.bytes;
}

/** What throws inside becomes a rejection, as promises of Web IDL have it. */
function promised<T>(work: () => T): Promise<Awaited<T>> {
  try {
    return promiseResolve(work());
  } catch (error) {
    return promiseReject(error);
  }
}

let allowed = false;
class SubtleCrypto {
  constructor() { if (!allowed) throw new TypeError('Illegal constructor'); }
  digest(algorithm: unknown, input: unknown): Promise<ArrayBuffer> {
    return promised(() => {
      const name = nameOf(algorithm);
      if (name !== 'SHA-256') throw unsupported(`digest with ${name}`);
      return native.sha256(data(input)).buffer as ArrayBuffer;
    });
  }
  importKey(format: unknown, keyData: unknown, algorithm: unknown, extractable: unknown, usages: unknown): Promise<CryptoKey> {
    return promised(() => {
      checkHmac(algorithm, 'importKey');
      checkHash(algorithm, 'importKey');
      if (format !== 'raw') throw unsupported(`the key format "${format as string}"`);
      const bytes = copyOf(keyData);
      if (bytes === undefined) throw new TypeError('the key must be an ArrayBuffer or a view of one');
      if (bytes.length === 0) throw new DOMException('the key is empty', 'DataError');
      return newKey({ bytes, extractable: !!extractable, usages: usagesOf(usages) });
    });
  }
  generateKey(algorithm: unknown, extractable: unknown, usages: unknown): Promise<CryptoKey> {
    return promised(() => {
      checkHmac(algorithm, 'generateKey');
      checkHash(algorithm, 'generateKey');
      const { length } = dictionary(algorithm, 'generateKey') as { length?: unknown };
      const bits = length === undefined ? BLOCK_BYTES * 8 : Number(length);
      if (!(bits >= 8 && bits <= QUOTA_BYTES * 8 && bits % 8 === 0)) throw new DOMException('the length of a key must be a multiple of 8 bits', 'OperationError');
      return newKey({ bytes: native.randomBytes(bits / 8), extractable: !!extractable, usages: usagesOf(usages) });
    });
  }
  exportKey(format: unknown, key: unknown): Promise<ArrayBuffer> {
    return promised(() => {
      const state = keyState(key);
      if (format !== 'raw') throw unsupported(`the key format "${format as string}"`);
      if (!state.extractable) throw new DOMException('the key is not extractable', 'InvalidAccessError');
      return (copyOf(state.bytes) as Uint8Array<ArrayBuffer>).buffer;
    });
  }
  sign(algorithm: unknown, key: unknown, input: unknown): Promise<ArrayBuffer> {
    return promised(() => {
      checkHmac(algorithm, 'sign');
      return native.hmacSha256(usable(key, 'sign'), data(input)).buffer as ArrayBuffer;
    });
  }
  verify(algorithm: unknown, key: unknown, signature: unknown, input: unknown): Promise<boolean> {
    return promised(() => {
      checkHmac(algorithm, 'verify');
      const expected = native.hmacSha256(usable(key, 'verify'), data(input));
      return native.timingSafeEqual(expected, data(signature));
    });
  }
  encrypt(): Promise<never> { return promiseReject(unsupported('encrypt')); }
  decrypt(): Promise<never> { return promiseReject(unsupported('decrypt')); }
  deriveBits(): Promise<never> { return promiseReject(unsupported('deriveBits')); }
  deriveKey(): Promise<never> { return promiseReject(unsupported('deriveKey')); }
  wrapKey(): Promise<never> { return promiseReject(unsupported('wrapKey')); }
  unwrapKey(): Promise<never> { return promiseReject(unsupported('unwrapKey')); }
}
finishInterface(SubtleCrypto, 'SubtleCrypto');

class Crypto {
  readonly #subtle: SubtleCrypto;
  constructor() {
    if (!allowed) throw new TypeError('Illegal constructor');
    this.#subtle = new SubtleCrypto();
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
