// SubtleCrypto (Web Cryptography, 14): the steps that are the same for all algorithms, in the standard's order. Arguments are read before
// a method returns; whatever is thrown becomes a rejection.

import { arrayIndexOf, jsonParse, jsonStringify, SavedPromise } from '../primordials.ts';
import { native } from '../native.ts';
import { domString, finishInterface, isObject, required } from '../webidl.ts';
import { DOMException } from '../web/dom-exception.ts';
import { aesCbc, aesCtr, aesGcm, aesKw } from './aes.ts';
import { type Algorithm, dataOf, identifier, isBufferSource, normalize } from './algorithms.ts';
import { ecdh, ecdsa, ed25519, rsaOaep, rsaPkcs1, rsaPss, x25519 } from './asymmetric.ts';
import { type Bytes, type Family, type Format, type KeyPair, unsupported } from './family.ts';
import { type Jwk, dataError, jwkOf } from './jwk.ts';
import { type CryptoKey, type KeyState, keyState, type Usage, usagesOf } from './key.ts';
import { digest, hkdf, hmac, pbkdf2 } from './secret.ts';

const FAMILIES: Readonly<Record<string, Family>> = {
  __proto__: null,
  HMAC: hmac, HKDF: hkdf, PBKDF2: pbkdf2, 'AES-CBC': aesCbc, 'AES-CTR': aesCtr, 'AES-GCM': aesGcm, 'AES-KW': aesKw,
  'RSASSA-PKCS1-v1_5': rsaPkcs1, 'RSA-PSS': rsaPss, 'RSA-OAEP': rsaOaep, ECDSA: ecdsa, ECDH: ecdh, Ed25519: ed25519, X25519: x25519,
} as never;

function family(algorithm: { readonly name: string }): Required<Family> { return FAMILIES[algorithm.name] as Required<Family>; }

const FORMATS = ['raw', 'pkcs8', 'spki', 'jwk'];
function formatOf(value: unknown): Format {
  const text = domString(value);
  if (arrayIndexOf(FORMATS, text) < 0) throw new TypeError(`"${text}" is no format of a key`);
  return text as Format;
}

/** Whether a key is for an algorithm and a usage. */
function checkKey(algorithm: Algorithm, key: KeyState, usage: Usage): void {
  if (algorithm.name !== key.algorithm.name) throw new DOMException(`the key is for ${key.algorithm.name}`, 'InvalidAccessError');
  if (arrayIndexOf(key.usages, usage) < 0) throw new DOMException(`the key is not for "${usage}"`, 'InvalidAccessError');
}

/** What a method that uses a key reads of its arguments, in their order, and checks. */
interface Prepared { readonly normalized: Algorithm; readonly state: KeyState; readonly text: Uint8Array; readonly signature: Uint8Array | undefined }

function prepared(usage: 'encrypt' | 'decrypt' | 'sign' | 'verify', algorithm: unknown, key: unknown, data: unknown, signature?: unknown): Prepared {
  const id = identifier(algorithm);
  const state = keyState(key);
  const given = usage === 'verify' ? dataOf(signature, 'the signature') : undefined;
  const text = dataOf(data);
  const normalized = normalize(usage, id);
  checkKey(normalized, state, usage);
  return { normalized, state, text, signature: given };
}

/** `unsigned long? length = null`, in bits. */
function lengthOf(value: unknown): number | null { return value === undefined || value === null ? null : (value as number) >>> 0; }

function wrapping(operation: 'wrapKey' | 'unwrapKey', algorithm: object | string): Algorithm {
  try {
    return normalize(operation, algorithm);
  } catch {
    return normalize(operation === 'wrapKey' ? 'encrypt' : 'decrypt', algorithm);
  }
}

async function exported(format: Format, key: KeyState): Promise<Bytes | Jwk> {
  const { exportKey } = FAMILIES[key.algorithm.name] as Family;
  if (exportKey === undefined) throw unsupported(`a key for ${key.algorithm.name} cannot be exported`);
  if (!key.extractable) throw new DOMException('the key is not extractable', 'InvalidAccessError');
  return exportKey(format, key);
}

function parsed(bytes: Uint8Array): Jwk {
  let value: unknown;
  try {
    value = jsonParse(native.utf8Decode(bytes, true, false));
  } catch {
    throw dataError('it is not JSON');
  }
  if (!isObject(value)) throw dataError('it is not an object');
  const jwk = jwkOf(value);
  if (jwk.kty === undefined) throw dataError('"kty" is missing');
  return jwk;
}

let mayConstruct = false;

export class SubtleCrypto {
  readonly #brand = true;
  constructor() { if (!mayConstruct) throw new TypeError('Illegal constructor'); }

  async encrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    void this.#brand;
    required(arguments.length, 3, 'encrypt');
    const { normalized, state, text } = prepared('encrypt', algorithm, key, data);
    return (await family(normalized).encrypt(normalized, state, text)).buffer;
  }

  async decrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    void this.#brand;
    required(arguments.length, 3, 'decrypt');
    const { normalized, state, text } = prepared('decrypt', algorithm, key, data);
    return (await family(normalized).decrypt(normalized, state, text)).buffer;
  }

  async sign(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    void this.#brand;
    required(arguments.length, 3, 'sign');
    const { normalized, state, text } = prepared('sign', algorithm, key, data);
    const signature = family(normalized).sign(normalized, state, text);
    // An HMAC is there at once.
    return (signature instanceof SavedPromise ? await signature : (signature as Bytes)).buffer;
  }

  async verify(algorithm: unknown, key: unknown, signature: unknown, data: unknown): Promise<boolean> {
    void this.#brand;
    required(arguments.length, 4, 'verify');
    const { normalized, state, text, signature: given } = prepared('verify', algorithm, key, data, signature);
    return family(normalized).verify(normalized, state, given as Uint8Array, text);
  }

  async digest(algorithm: unknown, data: unknown): Promise<ArrayBuffer> {
    void this.#brand;
    required(arguments.length, 2, 'digest');
    const id = identifier(algorithm);
    const message = dataOf(data);
    return digest(normalize('digest', id), message).buffer;
  }

  async generateKey(algorithm: unknown, extractable: unknown, keyUsages: unknown): Promise<CryptoKey | KeyPair> {
    void this.#brand;
    required(arguments.length, 3, 'generateKey');
    const id = identifier(algorithm);
    const usages = usagesOf(keyUsages);
    const normalized = normalize('generateKey', id);
    return family(normalized).generateKey(normalized, !!extractable, usages);
  }

  async deriveKey(algorithm: unknown, baseKey: unknown, derivedKeyType: unknown, extractable: unknown, keyUsages: unknown): Promise<CryptoKey> {
    void this.#brand;
    required(arguments.length, 5, 'deriveKey');
    const id = identifier(algorithm);
    const state = keyState(baseKey);
    const derived = identifier(derivedKeyType);
    const usages = usagesOf(keyUsages);
    const normalized = normalize('deriveBits', id);
    const target = normalize('importKey', derived);
    const sized = normalize('getKeyLength', derived);
    checkKey(normalized, state, 'deriveKey');
    const length = family(sized).getKeyLength(sized);
    const secret = await family(normalized).deriveBits(normalized, state, length);
    return family(target).importKey('raw', secret, target, !!extractable, usages);
  }

  async deriveBits(algorithm: unknown, baseKey: unknown, length: unknown = null): Promise<ArrayBuffer> {
    void this.#brand;
    required(arguments.length, 2, 'deriveBits');
    const id = identifier(algorithm);
    const state = keyState(baseKey);
    const bits = lengthOf(length);
    const normalized = normalize('deriveBits', id);
    checkKey(normalized, state, 'deriveBits');
    return (await family(normalized).deriveBits(normalized, state, bits)).buffer;
  }

  async importKey(format: unknown, keyData: unknown, algorithm: unknown, extractable: unknown, keyUsages: unknown): Promise<CryptoKey> {
    void this.#brand;
    required(arguments.length, 5, 'importKey');
    const form = formatOf(format);
    const isJwk = form === 'jwk';
    if (isJwk && isBufferSource(keyData)) throw new TypeError('a key in the format "jwk" must be an object');
    const data = isJwk ? jwkOf(keyData) : dataOf(keyData, 'the key');
    const id = identifier(algorithm);
    const usages = usagesOf(keyUsages);
    const normalized = normalize('importKey', id);
    return family(normalized).importKey(form, data, normalized, !!extractable, usages);
  }

  async exportKey(format: unknown, key: unknown): Promise<ArrayBuffer | Jwk> {
    void this.#brand;
    required(arguments.length, 2, 'exportKey');
    const form = formatOf(format);
    const state = keyState(key);
    const out = await exported(form, state);
    return form === 'jwk' ? (out as Jwk) : (out as Bytes).buffer;
  }

  async wrapKey(format: unknown, key: unknown, wrappingKey: unknown, wrapAlgorithm: unknown): Promise<ArrayBuffer> {
    void this.#brand;
    required(arguments.length, 4, 'wrapKey');
    const form = formatOf(format);
    const state = keyState(key);
    const wrapper = keyState(wrappingKey, 'the wrapping key');
    const id = identifier(wrapAlgorithm);
    const normalized = wrapping('wrapKey', id);
    checkKey(normalized, wrapper, 'wrapKey');
    const out = await exported(form, state);
    const bytes = form === 'jwk' ? native.utf8Encode(jsonStringify(out)) : (out as Bytes);
    return (await family(normalized).encrypt(normalized, wrapper, bytes)).buffer;
  }

  async unwrapKey(
    format: unknown, wrappedKey: unknown, unwrappingKey: unknown, unwrapAlgorithm: unknown, unwrappedKeyAlgorithm: unknown, extractable: unknown, keyUsages: unknown,
  ): Promise<CryptoKey> {
    void this.#brand;
    required(arguments.length, 7, 'unwrapKey');
    const form = formatOf(format);
    const wrapped = dataOf(wrappedKey, 'the wrapped key');
    const wrapper = keyState(unwrappingKey, 'the unwrapping key');
    const id = identifier(unwrapAlgorithm);
    const target = identifier(unwrappedKeyAlgorithm);
    const usages = usagesOf(keyUsages);
    const normalized = wrapping('unwrapKey', id);
    const algorithm = normalize('importKey', target);
    checkKey(normalized, wrapper, 'unwrapKey');
    const bytes = await family(normalized).decrypt(normalized, wrapper, wrapped);
    return family(algorithm).importKey(form, form === 'jwk' ? parsed(bytes) : bytes, algorithm, !!extractable, usages);
  }
}
finishInterface(SubtleCrypto, 'SubtleCrypto', 'deriveBits:2');

/** The one there is. */
export function makeSubtle(): SubtleCrypto {
  mayConstruct = true;
  try {
    return new SubtleCrypto();
  } finally {
    mayConstruct = false;
  }
}
