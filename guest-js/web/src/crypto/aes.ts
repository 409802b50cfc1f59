// AES-CBC, AES-CTR, AES-GCM and AES-KW: keys and ciphers are the host's.

import { SavedUint8Array, slice, toUpperCase } from '../primordials.ts';
import type { Algorithm } from './algorithms.ts';
import { failure, type Family, noFormat, onHost, type Bytes } from './family.ts';
import { cipher, CIPHER, exportBytes, FORMAT, generateSecret, importKey, KIND } from './host.ts';
import { checkJwk, dataError, type Jwk, member, newJwk } from './jwk.ts';
import { checkNotUseless, checkUsages, type KeyState, newKey, type Usage } from './key.ts';

/** The key, whether to decrypt, the parameters, the text. */
type Work = (key: KeyState, decrypts: boolean, algorithm: Algorithm, text: Uint8Array) => Promise<Bytes>;

function lengthOf(algorithm: Algorithm): number {
  const { length } = algorithm as { length: number };
  if (length !== 128 && length !== 192 && length !== 256) throw failure('an AES key has 128, 192 or 256 bits');
  return length;
}

function aes(name: string, possible: readonly Usage[], work: Work): Family {
  const mode = toUpperCase(slice(name, 4));
  const alg = (bits: number): string => `A${bits}${mode}`;
  return {
    async generateKey(algorithm, extractable, usages) {
      checkUsages(usages, possible);
      const length = lengthOf(algorithm);
      checkNotUseless('secret', usages);
      return newKey('secret', extractable, { name, length }, usages, await generateSecret(KIND.AES, length, extractable));
    },
    async importKey(format, data, _, extractable, usages) {
      checkUsages(usages, possible);
      let bytes = data as Uint8Array;
      if (format === 'jwk') {
        const jwk = data as Jwk;
        if (jwk.kty !== 'oct') throw dataError('"kty" is not "oct"');
        bytes = member(jwk, 'k');
        if (jwk.alg !== undefined && jwk.alg !== alg(bytes.length * 8)) throw dataError(`"alg" is not that of ${name} with a key of this length`);
        checkJwk(jwk, 'oct', 'enc', extractable, usages);
      } else if (format !== 'raw') {
        throw noFormat(name, format);
      }
      const held = await importKey(KIND.AES, FORMAT.raw, [bytes], extractable);
      checkNotUseless('secret', usages);
      return newKey('secret', extractable, { name, length: held.bits }, usages, held);
    },
    async exportKey(format, key) {
      if (format !== 'raw' && format !== 'jwk') throw noFormat(name, format);
      const bytes = await exportBytes(onHost(key), FORMAT.raw);
      return format === 'raw' ? bytes : newJwk('oct', alg(bytes.length * 8), undefined, ['k'], [bytes], key.usages, key.extractable);
    },
    encrypt: (algorithm, key, text) => work(key, false, algorithm, text),
    decrypt: (algorithm, key, text) => work(key, true, algorithm, text),
    getKeyLength: lengthOf,
  };
}

const BLOCK_BYTES = 16;
const CIPHERS = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'] as const;

export const aesCbc = aes('AES-CBC', CIPHERS, (key, decrypts, { iv }, text) => {
  if (iv?.length !== BLOCK_BYTES) throw failure('"iv" must have 16 bytes');
  return cipher(onHost(key), decrypts, CIPHER.cbc, 0, [iv], text);
});

export const aesCtr = aes('AES-CTR', CIPHERS, (key, decrypts, { counter, length }, text) => {
  if (counter?.length !== BLOCK_BYTES) throw failure('"counter" must have 16 bytes');
  return cipher(onHost(key), decrypts, CIPHER.ctr, length as number, [counter], text);
});

export const aesGcm = aes('AES-GCM', CIPHERS, (key, decrypts, { iv, additionalData, tagLength = 128 }, text) => (
  cipher(onHost(key), decrypts, CIPHER.gcm, tagLength, [iv as Uint8Array, additionalData ?? new SavedUint8Array(0)], text)));

export const aesKw = aes('AES-KW', ['wrapKey', 'unwrapKey'], (key, decrypts, _, text) => cipher(onHost(key), decrypts, CIPHER.keyWrap, 0, [], text));
