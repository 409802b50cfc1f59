// RSA, elliptic curves, Ed25519 and X25519: what their families have in common is how keys come, go and are generated; all is the host's.

import { arrayIndexOf, bytesSlice, push, SavedUint8Array, slice } from '../primordials.ts';
import { DOMException } from '../web/dom-exception.ts';
import type { Algorithm } from './algorithms.ts';
import { type Bytes, checkType, failure, type Family, noFormat, onHost, unsupported } from './family.ts';
import { agree, cipher, CIPHER, exportBytes, exportParts, FORMAT, generatePair, HASH, type Held, type HostHash, importKey, KIND, SCHEME, sign, verify } from './host.ts';
import { checkJwk, dataError, type Jwk, members, newJwk } from './jwk.ts';
import { checkNotUseless, checkUsages, type KeyAlgorithm, type KeyState, keyState, newKey, only, type Usage } from './key.ts';

type Member = 'n' | 'e' | 'd' | 'p' | 'q' | 'dp' | 'dq' | 'qi' | 'x' | 'y';

/** What tells one family from another. */
interface Shape {
  readonly name: string;
  readonly kty: 'RSA' | 'EC' | 'OKP';
  /** Usages of the halves, and `use` in a JSON Web Key. */
  readonly ofPublic: readonly Usage[];
  readonly ofPrivate: readonly Usage[];
  readonly use: 'sig' | 'enc' | undefined;
  /** Members of a JSON Web Key, in the host's order. */
  readonly publicMembers: readonly Member[];
  readonly privateMembers: readonly Member[];
  /** Whether public keys have a raw form. */
  readonly isRaw: boolean;
  /** The host's number for keys with these parameters; throws for those that are not offered. */
  kind(algorithm: Algorithm, isGenerated: boolean): number;
  /** The key's algorithm. */
  describe(algorithm: Algorithm, held: Held): KeyAlgorithm;
  /** Checks `alg` and `crv`. */
  checkJwk(jwk: Jwk, algorithm: Algorithm): void;
  /** `alg` and `crv` of a key that goes out. */
  labels(key: KeyState): [alg: string | undefined, crv: string | undefined];
  /** Checks what a key is generated from; answers the host's number of bits. */
  bits(algorithm: Algorithm): number;
}

function keys(shape: Shape): Family {
  const { name } = shape;
  const possible: Usage[] = [];
  for (let i = 0; i < shape.ofPublic.length; i++) push(possible, shape.ofPublic[i] as Usage);
  for (let i = 0; i < shape.ofPrivate.length; i++) push(possible, shape.ofPrivate[i] as Usage);
  return {
    async generateKey(algorithm, extractable, usages) {
      checkUsages(usages, possible);
      const kind = shape.kind(algorithm, true);
      const bits = shape.bits(algorithm);
      const ofPrivate = only(usages, shape.ofPrivate);
      checkNotUseless('private', ofPrivate);
      const pair = await generatePair(kind, bits, extractable);
      return {
        publicKey: newKey('public', true, shape.describe(algorithm, pair.publicKey), only(usages, shape.ofPublic), pair.publicKey),
        privateKey: newKey('private', extractable, shape.describe(algorithm, pair.privateKey), ofPrivate, pair.privateKey),
      };
    },
    async importKey(format, data, algorithm, extractable, usages) {
      if (format === 'raw' && !shape.isRaw) throw noFormat(name, format);
      const isPrivate = format === 'pkcs8' || (format === 'jwk' && (data as Jwk).d !== undefined);
      checkUsages(usages, isPrivate ? shape.ofPrivate : shape.ofPublic);
      const kind = shape.kind(algorithm, false);
      let material: Uint8Array[];
      if (format === 'jwk') {
        const jwk = data as Jwk;
        checkJwk(jwk, shape.kty, shape.use, extractable, usages);
        shape.checkJwk(jwk, algorithm);
        if (jwk.oth !== undefined) throw unsupported('RSA keys have two primes here');
        material = members(jwk, isPrivate ? shape.privateMembers : shape.publicMembers);
      } else {
        material = [data as Uint8Array];
      }
      const hostFormat = format === 'jwk' ? FORMAT.parts : FORMAT[format];
      const held = await importKey(kind, hostFormat, material, extractable);
      checkNotUseless(held.role, usages);
      return newKey(held.role, extractable, shape.describe(algorithm, held), usages, held);
    },
    async exportKey(format, key) {
      if (format === 'jwk') {
        const labels = shape.labels(key);
        const parts = await exportParts(onHost(key));
        return newJwk(shape.kty, labels[0], labels[1], key.type === 'private' ? shape.privateMembers : shape.publicMembers, parts, key.usages, key.extractable);
      }
      if (format === 'raw' && !shape.isRaw) throw noFormat(name, format);
      checkType(key, format === 'pkcs8' ? 'private' : 'public');
      return exportBytes(onHost(key), FORMAT[format]);
    },
  };
}

function hashOf(key: KeyState): HostHash { return (key.algorithm.hash as { name: HostHash }).name; }

/** `alg` of RSA, without and with SHA-1. */
function rsaAlg(name: string, hash: string): string {
  const bits = slice(hash, 4);
  if (name === 'RSA-OAEP') return hash === 'SHA-1' ? 'RSA-OAEP' : `RSA-OAEP-${bits}`;
  return `${name === 'RSA-PSS' ? 'PS' : 'RS'}${bits}`;
}

function rsa(name: string, ofPublic: readonly Usage[], ofPrivate: readonly Usage[], use: 'sig' | 'enc'): Family {
  return keys({
    name, kty: 'RSA', ofPublic, ofPrivate, use, isRaw: false,
    publicMembers: ['n', 'e'], privateMembers: ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'],
    kind: () => KIND.RSA,
    describe: (algorithm, held) => ({
      name, modulusLength: held.bits, publicExponent: held.publicExponent, hash: { name: algorithm.hash as string },
    }),
    checkJwk(jwk, algorithm) {
      if (jwk.alg !== undefined && jwk.alg !== rsaAlg(name, algorithm.hash as string)) throw dataError(`"alg" is not that of ${name} with ${algorithm.hash as string}`);
    },
    labels: (key) => [rsaAlg(name, hashOf(key)), undefined],
    bits({ modulusLength, publicExponent }) {
      const exponent = publicExponent as Uint8Array;
      let value = 0;
      for (let i = 0; i < exponent.length; i++) value = value * 256 + (exponent[i] as number);
      if (value !== 65_537) throw failure('a key that is generated has the public exponent 65537');
      return modulusLength as number;
    },
  });
}

const CURVES = ['P-256', 'P-384', 'P-521'] as const;
type Curve = (typeof CURVES)[number];
/** `alg` of ECDSA is that of the curve. */
const ES: Readonly<Record<string, string>> = { __proto__: null, 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' } as never;

function curves(name: string, ofPublic: readonly Usage[], ofPrivate: readonly Usage[], use: 'sig' | 'enc'): Family {
  return keys({
    name, kty: 'EC', ofPublic, ofPrivate, use, isRaw: true, publicMembers: ['x', 'y'], privateMembers: ['x', 'y', 'd'],
    kind({ namedCurve }, isGenerated) {
      const curve = namedCurve as Curve;
      if (arrayIndexOf(CURVES, curve) >= 0) return KIND[curve];
      throw new DOMException(`there is no curve "${namedCurve as string}"`, isGenerated ? 'NotSupportedError' : 'DataError');
    },
    describe: (algorithm) => ({ name, namedCurve: algorithm.namedCurve as string }),
    checkJwk(jwk, algorithm) {
      if (jwk.crv !== algorithm.namedCurve) throw dataError(`"crv" is not "${algorithm.namedCurve as string}"`);
      if (name === 'ECDSA' && jwk.alg !== undefined && jwk.alg !== ES[algorithm.namedCurve as string]) throw dataError('"alg" is not that of the curve');
    },
    labels: (key) => [undefined, key.algorithm.namedCurve],
    bits: () => 0,
  });
}

function octets(name: 'Ed25519' | 'X25519', ofPublic: readonly Usage[], ofPrivate: readonly Usage[], use: 'sig' | 'enc'): Family {
  return keys({
    name, kty: 'OKP', ofPublic, ofPrivate, use, isRaw: true, publicMembers: ['x'], privateMembers: ['x', 'd'],
    kind: () => KIND[name],
    describe: () => ({ name }),
    checkJwk(jwk) {
      if (jwk.crv !== name) throw dataError(`"crv" is not "${name}"`);
      if (name === 'Ed25519' && jwk.alg !== undefined && jwk.alg !== 'EdDSA' && jwk.alg !== 'Ed25519') throw dataError('"alg" is not "Ed25519" or "EdDSA"');
    },
    labels: () => [undefined, name],
    bits: () => 0,
  });
}

/** A scheme's parameters: its number, the hash and the length of a salt. */
type Parameters = (algorithm: Algorithm, key: KeyState) => [scheme: number, hash: number, saltBytes: number];

function signing(family: Family, parameters: Parameters): Family {
  return {
    ...family,
    sign(algorithm, key, message) {
      checkType(key, 'private');
      const given = parameters(algorithm, key);
      return sign(onHost(key), given[0], given[1], given[2], message);
    },
    verify(algorithm, key, signature, message) {
      checkType(key, 'public');
      const given = parameters(algorithm, key);
      return verify(onHost(key), given[0], given[1], given[2], signature, message);
    },
  };
}

/** The first `length` bits of a secret. */
function leading(secret: Bytes, length: number | null): Bytes {
  if (length === null) return secret;
  const bytes = length >>> 3;
  const rest = length & 7;
  if (bytes + (rest > 0 ? 1 : 0) > secret.length) throw failure('the secret has fewer bits');
  const bits = bytesSlice(secret, 0, bytes + (rest > 0 ? 1 : 0));
  if (rest > 0) bits[bytes] = (bits[bytes] as number) & (0xff << (8 - rest));
  return bits;
}

function agreeing(family: Family): Family {
  return {
    ...family,
    async deriveBits(algorithm, key, length) {
      checkType(key, 'private');
      const other = keyState(algorithm.public);
      checkType(other, 'public');
      const mismatch = other.algorithm.name !== key.algorithm.name ? 'algorithm' : other.algorithm.namedCurve !== key.algorithm.namedCurve ? 'curve' : undefined;
      if (mismatch !== undefined) throw new DOMException(`the public key is of another ${mismatch}`, 'InvalidAccessError');
      return leading(await agree(onHost(key), onHost(other)), length);
    },
  };
}

const SIGN = ['sign'] as const;
const VERIFY = ['verify'] as const;
const DERIVE = ['deriveKey', 'deriveBits'] as const;

export const rsaPkcs1 = signing(rsa('RSASSA-PKCS1-v1_5', VERIFY, SIGN, 'sig'), (_, key) => [SCHEME.pkcs1, HASH[hashOf(key)], 0]);
export const rsaPss = signing(rsa('RSA-PSS', VERIFY, SIGN, 'sig'), (algorithm, key) => [SCHEME.pss, HASH[hashOf(key)], algorithm.saltLength as number]);
export const ecdsa = signing(curves('ECDSA', VERIFY, SIGN, 'sig'), (algorithm) => [SCHEME.ecdsa, HASH[algorithm.hash as HostHash], 0]);
export const ed25519 = signing(octets('Ed25519', VERIFY, SIGN, 'sig'), () => [SCHEME.ed25519, 0, 0]);
export const ecdh = agreeing(curves('ECDH', [], DERIVE, 'enc'));
export const x25519 = agreeing(octets('X25519', [], DERIVE, 'enc'));
export const rsaOaep: Family = {
  ...rsa('RSA-OAEP', ['encrypt', 'wrapKey'], ['decrypt', 'unwrapKey'], 'enc'),
  encrypt(algorithm, key, text) {
    checkType(key, 'public');
    return cipher(onHost(key), false, CIPHER.oaep, HASH[hashOf(key)], [algorithm.label ?? new SavedUint8Array(0)], text);
  },
  decrypt(algorithm, key, text) {
    checkType(key, 'private');
    return cipher(onHost(key), true, CIPHER.oaep, HASH[hashOf(key)], [algorithm.label ?? new SavedUint8Array(0)], text);
  },
};
