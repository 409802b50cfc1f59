// Keys and ciphers of the host (wit/crypto.wit): operations as promises, its errors as those of Web Cryptography. A key of the host is
// given back when nothing names it any more.

import type { HostKey, OperationId, Outcome } from '../bindings.ts';
import { once } from '../lazy.ts';
import { native } from '../native.ts';
import { type ErrorOutcome, register, unexpected } from '../operations.ts';
import { defineProperty, SavedPromise, uncurryThis } from '../primordials.ts';
import { SdkError, stackHere } from '../sdk-error.ts';
import { DOMException } from '../web/dom-exception.ts';

/** Kinds of keys, by the numbers of wit/crypto.wit; as the other lists here. */
export const KIND = { AES: 0, RSA: 1, 'P-256': 2, 'P-384': 3, 'P-521': 4, Ed25519: 5, X25519: 6 } as const;
export const FORMAT = { raw: 0, pkcs8: 1, spki: 2, parts: 3 } as const;
export const HASH = { 'SHA-1': 0, 'SHA-256': 1, 'SHA-384': 2, 'SHA-512': 3 } as const;
export const CIPHER = { gcm: 0, cbc: 1, ctr: 2, keyWrap: 3, oaep: 4 } as const;
export const SCHEME = { pkcs1: 0, pss: 1, ecdsa: 2, ed25519: 3 } as const;
export type HostHash = keyof typeof HASH;

const ERRORS: Record<string, string> = {
  __proto__: null, 'no-key': 'InvalidAccessError', 'not-extractable': 'InvalidAccessError', data: 'DataError', unsupported: 'NotSupportedError',
  failed: 'OperationError', limit: 'OperationError',
} as never;

function fail(outcome: ErrorOutcome, stack: string): unknown {
  const error = new DOMException(outcome.message, ERRORS[outcome.code] ?? 'OperationError');
  const hidden = (name: string, value: unknown): void => {
    defineProperty(error, name, { __proto__: null, value, writable: true, configurable: true } as PropertyDescriptor);
  };
  hidden('stack', stack);
  // Which limit it was, for code that wants to know.
  if (outcome.code === 'limit') hidden('cause', new SdkError(outcome, stack));
  return error;
}

function operate<T>(start: () => OperationId, convert: (outcome: Outcome) => T): Promise<T> {
  const stack = stackHere();
  return new SavedPromise<T>((resolve, reject) => {
    register(start(), { resolve: resolve as (value: unknown) => void, reject, convert, fail, stack });
  });
}

/** A key on the host. CryptoKeys that are copies of each other share it. */
export interface Held { readonly id: number; readonly role: HostKey['role']; readonly bits: number; readonly publicExponent: Uint8Array }

const SavedRegistry = FinalizationRegistry;
const registryRegister = uncurryThis(FinalizationRegistry.prototype.register) as (self: FinalizationRegistry<number>, key: object, id: number) => void;
/** Made with the first key. */
const unwanted = once(() => new SavedRegistry<number>((id) => native.cryptoDrop(id)));

function held(key: HostKey): Held {
  registryRegister(unwanted(), key, key.id);
  return key;
}

function toKey(outcome: Outcome): Held { return outcome.kind === 'key' ? held(outcome.key) : unexpected(outcome); }
function toBytes(outcome: Outcome): Uint8Array<ArrayBuffer> {
  return outcome.kind === 'bytes' ? (outcome.bytes as Uint8Array<ArrayBuffer>) : unexpected(outcome);
}

export function importKey(kind: number, format: number, material: Uint8Array[], extractable: boolean): Promise<Held> {
  return operate(() => native.cryptoImport(kind, format, material, extractable), toKey);
}

export function generateSecret(kind: number, bits: number, extractable: boolean): Promise<Held> {
  return operate(() => native.cryptoGenerate(kind, bits, extractable), toKey);
}

export function generatePair(kind: number, bits: number, extractable: boolean): Promise<{ privateKey: Held; publicKey: Held }> {
  return operate(() => native.cryptoGenerate(kind, bits, extractable), (outcome) =>
    outcome.kind === 'pair' ? { privateKey: held(outcome.privateKey), publicKey: held(outcome.publicKey) } : unexpected(outcome));
}

export function exportBytes(key: Held, format: number): Promise<Uint8Array<ArrayBuffer>> {
  return operate(() => native.cryptoExport(key.id, format), toBytes);
}

export function exportParts(key: Held): Promise<Uint8Array[]> {
  return operate(() => native.cryptoExport(key.id, FORMAT.parts), (outcome) => (outcome.kind === 'parts' ? outcome.parts : unexpected(outcome)));
}

/** `number`: bits of the tag or the counter, or the hash; `given`: iv and additional data, the counter, or the label. */
export function cipher(key: Held, decrypts: boolean, name: number, number: number, given: Uint8Array[], text: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return operate(() => native.cryptoCipher(key.id, decrypts, name, number, given, text), toBytes);
}

export function sign(key: Held, scheme: number, hash: number, saltBytes: number, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return operate(() => native.cryptoSign(key.id, scheme, hash, saltBytes, message), toBytes);
}

export function verify(key: Held, scheme: number, hash: number, saltBytes: number, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  return operate(() => native.cryptoVerify(key.id, scheme, hash, saltBytes, signature, message), (outcome) =>
    outcome.kind === 'verified' ? outcome.isValid : unexpected(outcome));
}

export function agree(privateKey: Held, publicKey: Held): Promise<Uint8Array<ArrayBuffer>> {
  return operate(() => native.cryptoAgree(privateKey.id, publicKey.id), toBytes);
}
