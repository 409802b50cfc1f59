// crypto (Web Cryptography): random numbers, and the part of SubtleCrypto there is.

interface CryptoKey {
  readonly type: 'secret';
  readonly extractable: boolean;
  readonly algorithm: object;
  readonly usages: string[];
}
declare var CryptoKey: abstract new (...never: never) => CryptoKey;

type HmacParams = { name: string; hash: string | { name: string }; length?: number };
/** SHA-256 and HMAC with it; everything else rejects with NotSupportedError. */
interface SubtleCrypto {
  digest(algorithm: string | { name: string }, data: ArrayBuffer | ArrayBufferView): Promise<ArrayBuffer>;
  importKey(format: 'raw', key: ArrayBuffer | ArrayBufferView, algorithm: HmacParams, extractable: boolean, usages: readonly ('sign' | 'verify')[]): Promise<CryptoKey>;
  generateKey(algorithm: HmacParams, extractable: boolean, usages: readonly ('sign' | 'verify')[]): Promise<CryptoKey>;
  exportKey(format: 'raw', key: CryptoKey): Promise<ArrayBuffer>;
  sign(algorithm: string | { name: string }, key: CryptoKey, data: ArrayBuffer | ArrayBufferView): Promise<ArrayBuffer>;
  verify(algorithm: string | { name: string }, key: CryptoKey, signature: ArrayBuffer | ArrayBufferView, data: ArrayBuffer | ArrayBufferView): Promise<boolean>;
}
declare var SubtleCrypto: abstract new (...never: never) => SubtleCrypto;

interface Crypto {
  readonly subtle: SubtleCrypto;
  /** Fills an array of integers, at most 65,536 bytes at a time. Not while top-level code runs. */
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
}
declare var Crypto: abstract new (...never: never) => Crypto;
declare var crypto: Crypto;
