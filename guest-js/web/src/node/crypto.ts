// node:crypto: randomness, hashes, HMACs and derivations of keys. Keys, ciphers and signatures are in crypto.subtle, or not there.

import { once } from '../lazy.ts';
import { native } from '../native.ts';
import { bytesOf } from '../webidl.ts';
import { crypto } from '../web/crypto.ts';
import { joinBytes } from '../web/blob.ts';
import { bufferOver, type NodeBuffer } from './buffer.ts';
import { decode, encode, encodingOf } from './encodings.ts';
import { checkFunction, checkString, codedError, invalidType, outOfRange, unavailable } from './errors.ts';
import { nextTick } from './ticks.ts';

const HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-224', 'sha512-256'];
/** Bytes of one call to the host. */
const RANDOM_BYTES_MAX = 65_536;
const SIZE_MAX = 2 ** 31 - 1;
/** randomInt's range, which 48 random bits must cover. */
const INT_RANGE = 2 ** 48 - 1;

type Callback = (error: Error | null, value?: unknown) => void;

/** Our name of an algorithm in any spelling that OpenSSL has for it; most programs use ours. */
function hashName(name: string): string | undefined {
  if (HASHES.includes(name)) return name;
  const plain = name.toLowerCase().replace(/^rsa-/, '').replace(/^(sha)-(?=\d)/, '$1').replace(/^(sha512)\/(\d+)$/, '$1-$2').replace(/^ssl3-/, '');
  return HASHES.includes(plain) ? plain : undefined;
}

function dataBytes(value: unknown, encodingName: unknown, name: string): Uint8Array {
  if (typeof value === 'string') {
    const encoding = encodingOf(encodingName === 'buffer' ? undefined : encodingName);
    return encode(value, encoding ?? 'utf8');
  }
  const bytes = typeof value === 'object' ? bytesOf(value) : undefined;
  if (bytes === undefined) throw invalidType(name, ['string', 'Buffer', 'TypedArray', 'DataView'], value);
  return bytes.slice();
}

function output(bytes: Uint8Array, encodingName: unknown): NodeBuffer | string {
  if (encodingName === undefined || encodingName === null || encodingName === 'buffer') return bufferOver(bytes);
  return decode(bytes, encodingOf(encodingName) ?? 'utf8');
}

function fillRandom(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += RANDOM_BYTES_MAX) bytes.set(native.randomBytes(Math.min(RANDOM_BYTES_MAX, bytes.length - at)), at);
}

export const nodeCrypto = once(() => {
  /** What Hash and Hmac have in common: the message so far. */
  class Digest {
    #chunks: Uint8Array[] = [];
    #finished = false;
    readonly #algorithm: string;
    readonly #key: Uint8Array | undefined;

    constructor(algorithm: string, key: Uint8Array | undefined, chunks: readonly Uint8Array[] = []) {
      this.#algorithm = algorithm;
      this.#key = key;
      this.#chunks = chunks.slice();
    }
    update(data: unknown, encoding?: unknown): this {
      if (this.#finished) throw codedError(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#chunks.push(dataBytes(data, encoding, 'data'));
      return this;
    }
    digest(encoding?: unknown): NodeBuffer | string {
      // An HMAC that is asked again answers nothing, as Node's does.
      if (this.#finished && this.#key !== undefined) return output(new Uint8Array(0), encoding);
      if (this.#finished) throw codedError(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#finished = true;
      const chunks = this.#chunks;
      this.#chunks = [];
      const message = chunks.length === 1 ? (chunks[0] as Uint8Array) : joinBytes(chunks);
      return output(native.hash(this.#algorithm, message, this.#key) as Uint8Array, encoding);
    }
    protected copied(): [string, Uint8Array[]] {
      if (this.#finished) throw codedError(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      return [this.#algorithm, this.#chunks];
    }
  }
  class Hash extends Digest {
    copy(): Hash {
      const [algorithm, chunks] = this.copied();
      return new Hash(algorithm, undefined, chunks);
    }
  }
  class Hmac extends Digest {}

  function createHash(name: unknown): Hash {
    checkString(name, 'algorithm');
    const algorithm = hashName(name);
    if (algorithm === undefined) throw new Error(`Digest method not supported: there are ${HASHES.join(', ')}`);
    return new Hash(algorithm, undefined);
  }

  function createHmac(name: unknown, key: unknown, options?: { encoding?: unknown }): Hmac {
    checkString(name, 'hmac');
    const algorithm = hashName(name);
    if (key === undefined || key === null) throw invalidType('key', ['ArrayBuffer', 'Buffer', 'TypedArray', 'DataView', 'string', 'KeyObject', 'CryptoKey'], key);
    const bytes = dataBytes(key, options?.encoding, 'key');
    if (algorithm === undefined) throw codedError(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${name}`);
    return new Hmac(algorithm, bytes);
  }

  function checkSize(size: unknown, name: string): number {
    if (typeof size !== 'number') throw invalidType(name, 'number', size);
    if (Number.isNaN(size) || size < 0 || size > SIZE_MAX) throw outOfRange(name, `>= 0 && <= ${SIZE_MAX}`, size);
    return Math.trunc(size);
  }

  function randomBytes(size: unknown, callback?: unknown): NodeBuffer | undefined {
    const bytes = new Uint8Array(checkSize(size, 'size'));
    if (callback !== undefined) checkFunction(callback, 'callback');
    fillRandom(bytes);
    const buffer = bufferOver(bytes);
    if (callback === undefined) return buffer;
    nextTick(callback as Callback, null, buffer);
    return undefined;
  }

  function part(buffer: unknown, offset: unknown, size: unknown): Uint8Array {
    const bytes = bytesOf(buffer);
    if (bytes === undefined) throw invalidType('buf', ['ArrayBuffer', 'ArrayBufferView'], buffer);
    const from = offset === undefined ? 0 : checkSize(offset, 'offset');
    if (from > bytes.length) throw outOfRange('offset', `>= 0 && <= ${bytes.length}`, offset);
    const count = size === undefined ? bytes.length - from : checkSize(size, 'size');
    if (from + count > bytes.length) throw outOfRange('size + offset', `<= ${bytes.length}`, from + count);
    return bytes.subarray(from, from + count);
  }

  function randomFillSync<T>(buffer: T, offset?: unknown, size?: unknown): T {
    fillRandom(part(buffer, offset, size));
    return buffer;
  }

  function randomFill(buffer: unknown, ...rest: unknown[]): void {
    const callback = rest.pop();
    checkFunction(callback, 'callback');
    fillRandom(part(buffer, rest[0], rest[1]));
    nextTick(callback as Callback, null, buffer);
  }

  function randomInt(...args: unknown[]): number | undefined {
    const callback = typeof args[args.length - 1] === 'function' ? (args.pop() as Callback) : undefined;
    const [least, most] = args.length < 2 ? [0, args[0]] : [args[0], args[1]];
    if (!Number.isSafeInteger(least)) throw invalidType('min', ['a safe integer'], least);
    if (!Number.isSafeInteger(most)) throw invalidType('max', ['a safe integer'], most);
    const [low, high] = [least as number, most as number];
    if (high <= low) throw outOfRange('max', `greater than the value of "min" (${low})`, high);
    const range = high - low;
    if (range > INT_RANGE) throw outOfRange(args.length < 2 ? 'max' : 'max - min', `<= ${INT_RANGE}`, range);
    // Values beyond the last whole multiple of the range are drawn again, so that each is as likely.
    const limit = INT_RANGE - (INT_RANGE % range);
    let value: number;
    do value = bufferOver(native.randomBytes(6)).readUIntBE(0, 6);
    while (value >= limit);
    value = (value % range) + low;
    if (callback === undefined) return value;
    nextTick(callback, undefined, value);
    return undefined;
  }

  function timingSafeEqual(a: unknown, b: unknown): boolean {
    const [left, right] = [bytesOf(a), bytesOf(b)];
    for (const [name, bytes] of [['buf1', left], ['buf2', right]] as const) {
      if (bytes === undefined) throw codedError(TypeError, 'ERR_INVALID_ARG_TYPE', `The "${name}" argument must be an instance of ArrayBuffer, Buffer, TypedArray, or DataView.`);
    }
    if (left === undefined || right === undefined) return false;
    if (left.length !== right.length) throw codedError(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
    return native.timingSafeEqual(left, right);
  }

  function deriveHash(digest: unknown): string {
    checkString(digest, 'digest');
    const algorithm = hashName(digest);
    if (algorithm === undefined) throw codedError(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${digest}`);
    return algorithm;
  }

  function checkInteger(value: unknown, name: string, least: number, most: number): number {
    if (typeof value !== 'number') throw invalidType(name, 'number', value);
    if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
    if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
    return value;
  }

  function pbkdf2Sync(password: unknown, salt: unknown, iterations: unknown, keylen: unknown, digest: unknown): NodeBuffer {
    const algorithm = deriveHash(digest);
    const [key, grain] = [dataBytes(password, 'utf8', 'password'), dataBytes(salt, 'utf8', 'salt')];
    const rounds = checkInteger(iterations, 'iterations', 1, SIZE_MAX);
    const length = checkInteger(keylen, 'keylen', 0, SIZE_MAX);
    return bufferOver(native.pbkdf2(algorithm, key, grain, rounds, length) as Uint8Array);
  }

  /** Bytes of what HKDF's info may have, as in Node. */
  const infoMax = 1_024;

  function hkdfSync(digest: unknown, ikm: unknown, salt: unknown, info: unknown, keylen: unknown): ArrayBuffer {
    const algorithm = deriveHash(digest);
    const [key, grain, about] = [dataBytes(ikm, 'utf8', 'ikm'), dataBytes(salt, 'utf8', 'salt'), dataBytes(info, 'utf8', 'info')];
    const length = checkInteger(keylen, 'length', 0, SIZE_MAX);
    if (about.length > infoMax) throw outOfRange('info', `must not contain more than ${infoMax} bytes`, about.length);
    const derived = native.hkdf(algorithm, key, grain, about, length);
    if (derived === undefined) throw codedError(RangeError, 'ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length');
    return derived.buffer as ArrayBuffer;
  }

  /** The version with a callback: bad arguments throw, and the result comes later. */
  function later<A extends unknown[], R>(work: (...args: A) => R, count: number): (...args: [...A, unknown]) => void {
    return (...args) => {
      const callback = args[count];
      checkFunction(callback, 'callback');
      nextTick(callback as Callback, null, work(...(args.slice(0, count) as A)));
    };
  }

  function pbkdf2(...args: unknown[]): void {
    // The digest may be left out, which is an error of its own.
    if (typeof args[4] === 'function') throw invalidType('digest', 'string', undefined);
    later(pbkdf2Sync, 5)(...(args as [unknown, unknown, unknown, unknown, unknown, unknown]));
  }

  const subtle = 'use crypto.subtle';
  const missing: Record<string, unknown> = {};
  for (const name of ['scrypt', 'scryptSync', 'createCipheriv', 'createDecipheriv', 'createSign', 'createVerify', 'sign', 'verify',
    'createPublicKey', 'createPrivateKey', 'createSecretKey', 'generateKey', 'generateKeyPair', 'generateKeyPairSync', 'publicEncrypt', 'privateDecrypt',
    'createDiffieHellman', 'createECDH', 'diffieHellman']) missing[name] = unavailable(`crypto.${name}`, subtle);
  return {
    createHash, createHmac, Hash, Hmac, randomBytes, pseudoRandomBytes: randomBytes, rng: randomBytes, prng: randomBytes, randomFill, randomFillSync, randomInt, timingSafeEqual,
    pbkdf2, pbkdf2Sync, hkdf: later(hkdfSync, 5), hkdfSync,
    randomUUID: (): string => crypto.randomUUID(),
    getRandomValues: <T>(array: T): T => crypto.getRandomValues(array),
    getHashes: (): string[] => HASHES.slice(),
    hash: (name: unknown, data: unknown, encoding: unknown = 'hex'): NodeBuffer | string => createHash(name).update(data).digest(encoding),
    webcrypto: crypto, subtle: crypto.subtle, ...missing,
  };
});
