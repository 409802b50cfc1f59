// Algorithm identifiers: which algorithm has which operation, and what its parameters are ("normalizing an algorithm", Web Cryptography
// 18.4.4). Parameters are read here, once, and copied.

import { apply, floor, objectKeys, typedArrayTag, toUpperCase } from '../primordials.ts';
import { bytesOf, copyOf, domString, isObject } from '../webidl.ts';
import { DOMException } from '../web/dom-exception.ts';
import { type CryptoKey, isKey } from './key.ts';
import type { HostHash } from './host.ts';

export type Operation =
  | 'digest' | 'generateKey' | 'importKey' | 'exportKey' | 'encrypt' | 'decrypt' | 'sign' | 'verify' | 'deriveBits' | 'wrapKey' | 'unwrapKey' | 'getKeyLength';

/** An algorithm with its parameters, converted. */
export interface Algorithm {
  readonly name: string;
  readonly hash?: HostHash;
  readonly length?: number;
  readonly namedCurve?: string;
  readonly modulusLength?: number;
  readonly publicExponent?: Uint8Array;
  readonly iv?: Uint8Array;
  readonly additionalData?: Uint8Array;
  readonly tagLength?: number;
  readonly counter?: Uint8Array;
  readonly label?: Uint8Array;
  readonly saltLength?: number;
  readonly salt?: Uint8Array;
  readonly info?: Uint8Array;
  readonly iterations?: number;
  readonly public?: CryptoKey;
}

type Writable = { -readonly [member in keyof Algorithm]: Algorithm[member] };
type Given = Record<string, unknown>;
/** Converts the members of a dictionary, in the order of Web IDL: by name. */
type Parameters = (given: Given, into: Writable) => void;

function needed(given: Given, member: string): unknown {
  const value = given[member];
  if (value === undefined) throw new TypeError(`the algorithm needs "${member}"`);
  return value;
}

/** [EnforceRange] unsigned integers. */
function integer(value: unknown, member: string, bits: number): number {
  const number = +(value as number);
  const whole = number < 0 ? -floor(-number) : floor(number);
  if (!(number - number === 0) || whole < 0 || whole >= 2 ** bits) throw new TypeError(`"${member}" is not an integer of ${bits} bits`);
  return whole + 0;
}

function bytes(value: unknown, member: string): Uint8Array {
  const copy = copyOf(value);
  if (copy === undefined) throw new TypeError(`"${member}" must be an ArrayBuffer or a view of one`);
  return copy;
}

function hashOf(given: Given): HostHash { return normalize('digest', identifier(needed(given, 'hash'))).name as HostHash; }

const none: Parameters = () => { /* The name is all there is. */ };
const hashed: Parameters = (given, into) => { into.hash = hashOf(given); };
const hmac: Parameters = (given, into) => {
  into.hash = hashOf(given);
  if (given['length'] !== undefined) into.length = integer(given['length'], 'length', 32);
};
const rsa: Parameters = (given, into) => {
  // RsaKeyGenParams comes before what inherits from it.
  into.modulusLength = integer(needed(given, 'modulusLength'), 'modulusLength', 32);
  const exponent = needed(given, 'publicExponent');
  if (typedArrayTag(exponent) !== 'Uint8Array') throw new TypeError('"publicExponent" must be a Uint8Array');
  into.publicExponent = bytes(exponent, 'publicExponent');
  into.hash = hashOf(given);
};
const curve: Parameters = (given, into) => { into.namedCurve = domString(needed(given, 'namedCurve')); };
const aesLength: Parameters = (given, into) => { into.length = integer(needed(given, 'length'), 'length', 16); };
const cbc: Parameters = (given, into) => { into.iv = bytes(needed(given, 'iv'), 'iv'); };
const ctr: Parameters = (given, into) => {
  into.counter = bytes(needed(given, 'counter'), 'counter');
  into.length = integer(needed(given, 'length'), 'length', 8);
};
const gcm: Parameters = (given, into) => {
  if (given['additionalData'] !== undefined) into.additionalData = bytes(given['additionalData'], 'additionalData');
  into.iv = bytes(needed(given, 'iv'), 'iv');
  if (given['tagLength'] !== undefined) into.tagLength = integer(given['tagLength'], 'tagLength', 8);
};
const oaep: Parameters = (given, into) => {
  if (given['label'] !== undefined) into.label = bytes(given['label'], 'label');
};
const pss: Parameters = (given, into) => { into.saltLength = integer(needed(given, 'saltLength'), 'saltLength', 32); };
const agreement: Parameters = (given, into) => {
  const key = needed(given, 'public');
  if (!isKey(key)) throw new TypeError('"public" must be a CryptoKey');
  into.public = key;
};
const hkdf: Parameters = (given, into) => {
  into.hash = hashOf(given);
  into.info = bytes(needed(given, 'info'), 'info');
  into.salt = bytes(needed(given, 'salt'), 'salt');
};
const pbkdf2: Parameters = (given, into) => {
  into.hash = hashOf(given);
  into.iterations = integer(needed(given, 'iterations'), 'iterations', 32);
  into.salt = bytes(needed(given, 'salt'), 'salt');
};

type Operations = { readonly [operation in Operation]?: Parameters };
const aes = { generateKey: aesLength, importKey: none, exportKey: none, getKeyLength: aesLength };
const derived = { importKey: none, getKeyLength: none };
const rsaKeys = { generateKey: rsa, importKey: hashed, exportKey: none };
const curveKeys = { generateKey: curve, importKey: curve, exportKey: none };
const ed = { generateKey: none, importKey: none, exportKey: none };

const ALGORITHMS: Readonly<Record<string, Operations>> = {
  __proto__: null,
  'SHA-1': { digest: none }, 'SHA-256': { digest: none }, 'SHA-384': { digest: none }, 'SHA-512': { digest: none },
  HMAC: { generateKey: hmac, importKey: hmac, exportKey: none, sign: none, verify: none, getKeyLength: hmac },
  'AES-CBC': { ...aes, encrypt: cbc, decrypt: cbc },
  'AES-CTR': { ...aes, encrypt: ctr, decrypt: ctr },
  'AES-GCM': { ...aes, encrypt: gcm, decrypt: gcm },
  'AES-KW': { ...aes, wrapKey: none, unwrapKey: none },
  HKDF: { ...derived, deriveBits: hkdf },
  PBKDF2: { ...derived, deriveBits: pbkdf2 },
  'RSASSA-PKCS1-v1_5': { ...rsaKeys, sign: none, verify: none },
  'RSA-PSS': { ...rsaKeys, sign: pss, verify: pss },
  'RSA-OAEP': { ...rsaKeys, encrypt: oaep, decrypt: oaep },
  ECDSA: { ...curveKeys, sign: hashed, verify: hashed },
  ECDH: { ...curveKeys, deriveBits: agreement },
  Ed25519: { ...ed, sign: none, verify: none },
  X25519: { ...ed, deriveBits: agreement },
} as never;

/** Names are found whatever their case. */
const NAMES: Record<string, string> = { __proto__: null } as never;
const names = objectKeys(ALGORITHMS);
for (let i = 0; i < names.length; i++) NAMES[toUpperCase(names[i] as string)] = names[i] as string;

/** The argument `algorithm`: an object or a name. */
export function identifier(value: unknown): object | string { return isObject(value) ? value : domString(value); }

export function normalize(operation: Operation, algorithm: object | string): Algorithm {
  const given = (typeof algorithm === 'string' ? { __proto__: null, name: algorithm } : algorithm) as Given;
  const name = NAMES[toUpperCase(domString(needed(given, 'name')))];
  const parameters = name === undefined ? undefined : (ALGORITHMS[name] as Operations)[operation];
  if (parameters === undefined) {
    throw new DOMException(name === undefined ? `there is no algorithm "${given['name'] as string}"` : `${name} has no ${operation}`, 'NotSupportedError');
  }
  const normalized = { __proto__: null, name: name as string } as unknown as Writable;
  apply(parameters, undefined, [given, normalized]);
  return normalized;
}

/** The bytes of the argument `data` (or another), copied: the caller may change them as soon as the call returns. */
export function dataOf(value: unknown, what = 'the data'): Uint8Array<ArrayBuffer> {
  const copy = copyOf(value);
  if (copy === undefined) throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
  return copy;
}

export function isBufferSource(value: unknown): boolean { return bytesOf(value) !== undefined; }
