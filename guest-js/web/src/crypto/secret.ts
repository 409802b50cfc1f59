// What is computed in the sandbox: hashes, HMAC, PBKDF2 and HKDF. Their keys are bytes in the key itself.

import { native } from '../native.ts';
import { bytesSlice, ceil, slice } from '../primordials.ts';
import type { Algorithm } from './algorithms.ts';
import { DOMException } from '../web/dom-exception.ts';
import { type Bytes, failure, type Family, noFormat } from './family.ts';
import type { HostHash } from './host.ts';
import { checkJwk, dataError, type Jwk, member, newJwk } from './jwk.ts';
import { checkNotUseless, checkUsages, type KeyState, newKey } from './key.ts';

const RANDOM_BYTES_MAX = 65_536;

/** The engine's names of hashes. */
const ENGINE: Readonly<Record<string, string>> = { __proto__: null, 'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' } as never;
function engineHash(hash: HostHash): string { return ENGINE[hash] as string; }
function blockBits(hash: HostHash): number { return hash === 'SHA-1' || hash === 'SHA-256' ? 512 : 1_024; }
function material(key: KeyState): Uint8Array { return key.material as Uint8Array; }

export function digest(algorithm: Algorithm, data: Uint8Array): Bytes {
  return native.hash(engineHash(algorithm.name as HostHash), data, undefined) as Bytes;
}

function mac(key: KeyState, message: Uint8Array): Bytes {
  return native.hash(engineHash((key.algorithm.hash as { name: HostHash }).name), message, material(key)) as Bytes;
}

/** Bits of an HMAC key that is made; a key may not end within a byte that is not its own. */
function hmacLength(algorithm: Algorithm, zero: () => Error): number {
  if (algorithm.length === undefined) return blockBits(algorithm.hash as HostHash);
  if (algorithm.length === 0) throw zero();
  return algorithm.length;
}

export const hmac: Family = {
  generateKey(algorithm, extractable, usages) {
    checkUsages(usages, ['sign', 'verify']);
    const length = hmacLength(algorithm, () => failure('a key of no bits cannot be generated'));
    if (length > RANDOM_BYTES_MAX * 8) throw failure(`a key that is generated has at most ${RANDOM_BYTES_MAX * 8} bits`);
    checkNotUseless('secret', usages);
    const bytes = native.randomBytes(ceil(length / 8));
    return newKey('secret', extractable, { name: 'HMAC', hash: { name: algorithm.hash as string }, length }, usages, bytes);
  },
  importKey(format, data, algorithm, extractable, usages) {
    checkUsages(usages, ['sign', 'verify']);
    const hash = algorithm.hash as HostHash;
    let bytes = data as Uint8Array;
    if (format === 'jwk') {
      const jwk = data as Jwk;
      if (jwk.kty !== 'oct') throw dataError('"kty" is not "oct"');
      bytes = member(jwk, 'k');
      if (jwk.alg !== undefined && jwk.alg !== `HS${slice(hash, 4)}`) throw dataError(`"alg" is not that of ${hash}`);
      checkJwk(jwk, 'oct', 'sig', extractable, usages);
    } else if (format !== 'raw') {
      throw noFormat('HMAC', format);
    }
    let length = bytes.length * 8;
    if (length === 0) throw dataError('it is empty');
    if (algorithm.length !== undefined) {
      if (algorithm.length > length || algorithm.length <= length - 8) throw dataError('"length" is not that of the key');
      ({ length } = algorithm as { length: number });
    }
    checkNotUseless('secret', usages);
    return newKey('secret', extractable, { name: 'HMAC', hash: { name: hash }, length }, usages, bytes);
  },
  exportKey(format, key) {
    if (format === 'raw') return bytesSlice(material(key));
    if (format !== 'jwk') throw noFormat('HMAC', format);
    return newJwk('oct', `HS${slice((key.algorithm.hash as { name: string }).name, 4)}`, undefined, ['k'], [material(key)], key.usages, key.extractable);
  },
  sign: (_, key, message) => mac(key, message),
  verify: (_, key, signature, message) => native.timingSafeEqual(mac(key, message), signature),
  getKeyLength: (algorithm) => hmacLength(algorithm, () => new TypeError('"length" is 0')),
};

function derivedBytes(length: number | null): number {
  if (length === null || length % 8 !== 0) throw failure('the length of what is derived must be given, and be a multiple of 8 bits');
  return length / 8;
}

/** HKDF and PBKDF2 have keys of any bytes, which never leave. */
function derivation(name: string, derive: (algorithm: Algorithm, key: Uint8Array, length: number) => Uint8Array | undefined): Family {
  return {
    importKey(format, data, _, extractable, usages) {
      if (format !== 'raw') throw noFormat(name, format);
      checkUsages(usages, ['deriveKey', 'deriveBits']);
      if (extractable) throw new DOMException(`a key for ${name} cannot be extractable`, 'SyntaxError');
      checkNotUseless('secret', usages);
      return newKey('secret', false, { name }, usages, data as Uint8Array);
    },
    deriveBits(algorithm, key, length) {
      const bytes = derivedBytes(length);
      const derived = derive(algorithm, material(key), bytes);
      if (derived === undefined) throw failure(`${name} cannot derive so many bits`);
      return derived as Bytes;
    },
    getKeyLength: () => null,
  };
}

export const hkdf = derivation('HKDF', (algorithm, key, length) => (
  native.hkdf(engineHash(algorithm.hash as HostHash), key, algorithm.salt as Uint8Array, algorithm.info as Uint8Array, length)));

export const pbkdf2 = derivation('PBKDF2', (algorithm, key, length) => {
  if (algorithm.iterations === 0) throw failure('PBKDF2 needs an iteration');
  return native.pbkdf2(engineHash(algorithm.hash as HostHash), key, algorithm.salt as Uint8Array, algorithm.iterations as number, length);
});
