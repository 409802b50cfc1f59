// The web platform of the sandbox, for projects without TypeScript's DOM library.

type HeadersInit = Headers | Record<string, string> | readonly (readonly [string, string])[];
/** A stream or an async iterable is sent chunk by chunk, no faster than the other side takes it. */
type BodyInit = string | ArrayBuffer | ArrayBufferView | URLSearchParams | Blob | FormData | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

interface Headers extends Iterable<[string, string]> {
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void, self?: unknown): void;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  entries(): IterableIterator<[string, string]>;
}
declare var Headers: { prototype: Headers; new (init?: HeadersInit): Headers };

interface Body {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly bodyUsed: boolean;
  text(): Promise<string>;
  json(): Promise<any>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  formData(): Promise<FormData>;
}

interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  redirect?: 'follow' | 'error' | 'manual';
  signal?: AbortSignal | null;
  /** For a body that is sent chunk by chunk; the answer may come before it has been sent. */
  duplex?: 'half';
}
interface Request extends Body {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly redirect: string;
  readonly signal: AbortSignal;
  clone(): Request;
}
declare var Request: { prototype: Request; new (input: string | URL | Request, init?: RequestInit): Request };

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}
interface Response extends Body {
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: string;
  clone(): Response;
}
declare var Response: {
  prototype: Response;
  new (body?: BodyInit | null, init?: ResponseInit): Response;
  json(value: unknown, init?: ResponseInit): Response;
  redirect(url: string | URL, status?: number): Response;
  error(): Response;
};
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

interface URLSearchParams extends Iterable<[string, string]> {
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  entries(): IterableIterator<[string, string]>;
  toString(): string;
}
declare var URLSearchParams: {
  prototype: URLSearchParams;
  new (init?: string | Record<string, string> | Iterable<readonly [string, string]>): URLSearchParams;
};

interface URL {
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toString(): string;
  toJSON(): string;
}
declare var URL: {
  prototype: URL;
  new (url: string | URL, base?: string | URL): URL;
  canParse(url: string | URL, base?: string | URL): boolean;
  parse(url: string | URL, base?: string | URL): URL | null;
};

interface URLPatternInit {
  protocol?: string; username?: string; password?: string; hostname?: string; port?: string; pathname?: string; search?: string; hash?: string; baseURL?: string;
}
interface URLPatternComponentResult { input: string; groups: Record<string, string | undefined> }
type URLPatternComponent = 'protocol' | 'username' | 'password' | 'hostname' | 'port' | 'pathname' | 'search' | 'hash';
type URLPatternResult = { inputs: (string | URLPatternInit)[] } & Record<URLPatternComponent, URLPatternComponentResult>;
interface URLPattern extends Readonly<Record<URLPatternComponent, string>> {
  readonly hasRegExpGroups: boolean;
  test(input?: string | URL | URLPatternInit, baseURL?: string): boolean;
  exec(input?: string | URL | URLPatternInit, baseURL?: string): URLPatternResult | null;
}
declare var URLPattern: {
  prototype: URLPattern;
  new (input: string, baseURL: string, options?: { ignoreCase?: boolean }): URLPattern;
  new (input?: string | URLPatternInit, options?: { ignoreCase?: boolean }): URLPattern;
};

interface Blob {
  readonly size: number;
  readonly type: string;
  slice(start?: number, end?: number, type?: string): Blob;
  stream(): ReadableStream<Uint8Array>;
  text(): Promise<string>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
}
type BlobPart = string | ArrayBuffer | ArrayBufferView | Blob;
declare var Blob: { prototype: Blob; new (parts?: Iterable<BlobPart>, options?: { type?: string; endings?: 'transparent' | 'native' }): Blob };
interface File extends Blob {
  readonly name: string;
  readonly lastModified: number;
}
declare var File: { prototype: File; new (parts: Iterable<BlobPart>, name: string, options?: { type?: string; lastModified?: number }): File };
interface FormData extends Iterable<[string, string | File]> {
  append(name: string, value: string | Blob, filename?: string): void;
  delete(name: string): void;
  get(name: string): string | File | null;
  getAll(name: string): (string | File)[];
  has(name: string): boolean;
  set(name: string, value: string | Blob, filename?: string): void;
  forEach(callback: (value: string | File, name: string, form: FormData) => void, self?: unknown): void;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string | File>;
  entries(): IterableIterator<[string, string | File]>;
}
declare var FormData: { prototype: FormData; new (): FormData };

interface QueuingStrategy<T = any> { highWaterMark?: number; size?: (chunk: T) => number }
declare var CountQueuingStrategy: { new (init: { highWaterMark: number }): QueuingStrategy & { readonly highWaterMark: number } };
declare var ByteLengthQueuingStrategy: { new (init: { highWaterMark: number }): QueuingStrategy<ArrayBufferView> & { readonly highWaterMark: number } };
interface StreamPipeOptions { preventAbort?: boolean; preventCancel?: boolean; preventClose?: boolean; signal?: AbortSignal }
interface ReadableStreamDefaultController<T = any> {
  readonly desiredSize: number | null;
  enqueue(chunk?: T): void;
  close(): void;
  error(reason?: unknown): void;
}
interface ReadableStreamBYOBRequest {
  readonly view: ArrayBufferView | null;
  respond(bytesWritten: number): void;
  respondWithNewView(view: ArrayBufferView): void;
}
interface ReadableByteStreamController {
  readonly byobRequest: ReadableStreamBYOBRequest | null;
  readonly desiredSize: number | null;
  enqueue(chunk: ArrayBufferView): void;
  close(): void;
  error(reason?: unknown): void;
}
type ReadableStreamReadResult<T> = { done: false; value: T } | { done: true; value: T | undefined };
interface ReadableStreamDefaultReader<T = any> {
  readonly closed: Promise<undefined>;
  read(): Promise<ReadableStreamReadResult<T>>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
}
interface ReadableStreamBYOBReader {
  readonly closed: Promise<undefined>;
  read<V extends ArrayBufferView>(view: V, options?: { min?: number }): Promise<ReadableStreamReadResult<V>>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
}
interface ReadableStream<T = any> extends AsyncIterable<T> {
  readonly locked: boolean;
  cancel(reason?: unknown): Promise<void>;
  getReader(options?: { mode?: undefined }): ReadableStreamDefaultReader<T>;
  getReader(options: { mode: 'byob' }): ReadableStreamBYOBReader;
  pipeThrough<R>(transform: { readonly readable: ReadableStream<R>; readonly writable: WritableStream<T> }, options?: StreamPipeOptions): ReadableStream<R>;
  pipeTo(destination: WritableStream<T>, options?: StreamPipeOptions): Promise<void>;
  tee(): [ReadableStream<T>, ReadableStream<T>];
  values(options?: { preventCancel?: boolean }): AsyncIterableIterator<T>;
}
declare var ReadableStream: {
  prototype: ReadableStream;
  new (
    source: {
      type: 'bytes'; autoAllocateChunkSize?: number; start?(controller: ReadableByteStreamController): unknown; pull?(controller: ReadableByteStreamController): unknown;
      cancel?(reason: unknown): unknown;
    },
    strategy?: { highWaterMark?: number },
  ): ReadableStream<Uint8Array>;
  new <T = any>(
    source?: { start?(controller: ReadableStreamDefaultController<T>): unknown; pull?(controller: ReadableStreamDefaultController<T>): unknown; cancel?(reason: unknown): unknown },
    strategy?: QueuingStrategy<T>,
  ): ReadableStream<T>;
  from<T>(iterable: Iterable<T> | AsyncIterable<T>): ReadableStream<T>;
};
interface WritableStreamDefaultController {
  readonly signal: AbortSignal;
  error(reason?: unknown): void;
}
interface WritableStreamDefaultWriter<T = any> {
  readonly closed: Promise<undefined>;
  readonly ready: Promise<undefined>;
  readonly desiredSize: number | null;
  write(chunk?: T): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
  releaseLock(): void;
}
interface WritableStream<T = any> {
  readonly locked: boolean;
  abort(reason?: unknown): Promise<void>;
  close(): Promise<void>;
  getWriter(): WritableStreamDefaultWriter<T>;
}
declare var WritableStream: {
  prototype: WritableStream;
  new <T = any>(
    sink?: { start?(controller: WritableStreamDefaultController): unknown; write?(chunk: T, controller: WritableStreamDefaultController): unknown; close?(): unknown; abort?(reason: unknown): unknown },
    strategy?: QueuingStrategy<T>,
  ): WritableStream<T>;
};
interface TransformStreamDefaultController<O = any> {
  readonly desiredSize: number | null;
  enqueue(chunk?: O): void;
  error(reason?: unknown): void;
  terminate(): void;
}
interface TransformStream<I = any, O = any> {
  readonly readable: ReadableStream<O>;
  readonly writable: WritableStream<I>;
}
declare var TransformStream: {
  prototype: TransformStream;
  new <I = any, O = any>(
    transformer?: {
      start?(controller: TransformStreamDefaultController<O>): unknown; transform?(chunk: I, controller: TransformStreamDefaultController<O>): unknown;
      flush?(controller: TransformStreamDefaultController<O>): unknown; cancel?(reason: unknown): unknown;
    },
    writableStrategy?: QueuingStrategy<I>, readableStrategy?: QueuingStrategy<O>,
  ): TransformStream<I, O>;
};
declare var TextEncoderStream: { new (): TransformStream<string, Uint8Array> & { readonly encoding: string } };
declare var TextDecoderStream: {
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TransformStream<ArrayBuffer | ArrayBufferView, string> & { readonly encoding: string; readonly fatal: boolean; readonly ignoreBOM: boolean };
};
type CompressionFormat = 'gzip' | 'deflate' | 'deflate-raw';
declare var CompressionStream: { new (format: CompressionFormat): TransformStream<ArrayBuffer | ArrayBufferView, Uint8Array> };
declare var DecompressionStream: { new (format: CompressionFormat): TransformStream<ArrayBuffer | ArrayBufferView, Uint8Array> };

interface Event {
  readonly type: string;
  readonly target: EventTarget | null;
  readonly currentTarget: EventTarget | null;
  readonly cancelable: boolean;
  readonly defaultPrevented: boolean;
  readonly timeStamp: number;
  preventDefault(): void;
  stopPropagation(): void;
  stopImmediatePropagation(): void;
}
declare var Event: { prototype: Event; new (type: string, init?: { bubbles?: boolean; cancelable?: boolean; composed?: boolean }): Event };
interface CustomEvent<T = unknown> extends Event {
  readonly detail: T;
}
declare var CustomEvent: { prototype: CustomEvent; new <T>(type: string, init?: { cancelable?: boolean; detail?: T }): CustomEvent<T> };

type EventListener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };
interface EventTarget {
  addEventListener(type: string, listener: EventListener | null, options?: boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal }): void;
  removeEventListener(type: string, listener: EventListener | null, options?: boolean | { capture?: boolean }): void;
  dispatchEvent(event: Event): boolean;
}
declare var EventTarget: { prototype: EventTarget; new (): EventTarget };

interface ErrorEvent extends Event {
  readonly message: string;
  readonly filename: string;
  readonly lineno: number;
  readonly colno: number;
  readonly error: any;
}
declare var ErrorEvent: {
  prototype: ErrorEvent;
  new (type: string, init?: { cancelable?: boolean; message?: string; filename?: string; lineno?: number; colno?: number; error?: unknown }): ErrorEvent;
};
interface PromiseRejectionEvent extends Event {
  readonly promise: Promise<any>;
  readonly reason: any;
}
declare var PromiseRejectionEvent: { prototype: PromiseRejectionEvent; new (type: string, init: { cancelable?: boolean; promise: Promise<unknown>; reason?: unknown }): PromiseRejectionEvent };
/** Events of the global object: "error", "unhandledrejection", "rejectionhandled". A listener that cancels the event settles the error. */
declare function addEventListener(type: string, listener: EventListener | null, options?: boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal }): void;
declare function removeEventListener(type: string, listener: EventListener | null, options?: boolean | { capture?: boolean }): void;
declare function dispatchEvent(event: Event): boolean;
declare var onerror: ((message: string, filename: string, lineno: number, colno: number, error: any) => unknown) | null;
declare var onunhandledrejection: ((event: PromiseRejectionEvent) => unknown) | null;
declare var onrejectionhandled: ((event: PromiseRejectionEvent) => unknown) | null;

interface MessageEvent<T = any> extends Event {
  readonly data: T;
  readonly origin: string;
  readonly lastEventId: string;
  readonly source: object | null;
  readonly ports: readonly MessagePort[];
}
declare var MessageEvent: { prototype: MessageEvent; new <T>(type: string, init?: { data?: T; origin?: string; lastEventId?: string; ports?: readonly MessagePort[] }): MessageEvent<T> };
interface MessagePort extends EventTarget {
  onmessage: ((event: MessageEvent) => unknown) | null;
  onmessageerror: ((event: MessageEvent) => unknown) | null;
  postMessage(message: unknown, transfer?: readonly object[] | { transfer?: readonly object[] }): void;
  start(): void;
  close(): void;
}
declare var MessagePort: { prototype: MessagePort };
interface MessageChannel {
  readonly port1: MessagePort;
  readonly port2: MessagePort;
}
declare var MessageChannel: { prototype: MessageChannel; new (): MessageChannel };
declare function structuredClone<T>(value: T, options?: { transfer?: readonly object[] }): T;

interface AbortSignal extends EventTarget {
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => unknown) | null;
  throwIfAborted(): void;
}
declare var AbortSignal: {
  prototype: AbortSignal;
  abort(reason?: unknown): AbortSignal;
  timeout(milliseconds: number): AbortSignal;
  any(signals: Iterable<AbortSignal>): AbortSignal;
};
interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare var AbortController: { prototype: AbortController; new (): AbortController };
interface DOMException extends Error {
  readonly code: number;
}
declare var DOMException: { prototype: DOMException; new (message?: string, name?: string): DOMException };

interface TextEncoder {
  readonly encoding: string;
  encode(input?: string): Uint8Array;
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}
declare var TextEncoder: { prototype: TextEncoder; new (): TextEncoder };
interface TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}
declare var TextDecoder: { prototype: TextDecoder; new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder };
declare function atob(data: string): string;
declare function btoa(data: string): string;

type KeyUsage = 'encrypt' | 'decrypt' | 'sign' | 'verify' | 'deriveKey' | 'deriveBits' | 'wrapKey' | 'unwrapKey';
type KeyFormat = 'raw' | 'pkcs8' | 'spki' | 'jwk';
interface CryptoKey {
  readonly type: 'secret' | 'private' | 'public';
  readonly extractable: boolean;
  readonly algorithm: { name: string; length?: number; hash?: { name: string }; namedCurve?: string; modulusLength?: number; publicExponent?: Uint8Array };
  readonly usages: KeyUsage[];
}
declare var CryptoKey: { prototype: CryptoKey };
interface CryptoKeyPair { publicKey: CryptoKey; privateKey: CryptoKey }
interface JsonWebKey {
  kty?: string; use?: string; key_ops?: string[]; alg?: string; ext?: boolean; crv?: string; x?: string; y?: string; d?: string; n?: string; e?: string;
  p?: string; q?: string; dp?: string; dq?: string; qi?: string; k?: string;
}
/** An algorithm's name, or with its parameters: which those are is told by the Web Cryptography standard. */
type AlgorithmIdentifier = string | { name: string; [parameter: string]: unknown };
type KeyData = ArrayBuffer | ArrayBufferView;
/**
 * SHA-1, SHA-256, SHA-384, SHA-512; HMAC, PBKDF2, HKDF; AES-CBC, AES-CTR, AES-GCM, AES-KW; RSASSA-PKCS1-v1_5, RSA-PSS, RSA-OAEP (2048 to 8192 bits); ECDSA, ECDH
 * (P-256, P-384, P-521); Ed25519, X25519. Keys of the host cannot be imported or generated by top-level code.
 */
interface SubtleCrypto {
  encrypt(algorithm: AlgorithmIdentifier, key: CryptoKey, data: KeyData): Promise<ArrayBuffer>;
  decrypt(algorithm: AlgorithmIdentifier, key: CryptoKey, data: KeyData): Promise<ArrayBuffer>;
  sign(algorithm: AlgorithmIdentifier, key: CryptoKey, data: KeyData): Promise<ArrayBuffer>;
  verify(algorithm: AlgorithmIdentifier, key: CryptoKey, signature: KeyData, data: KeyData): Promise<boolean>;
  digest(algorithm: AlgorithmIdentifier, data: KeyData): Promise<ArrayBuffer>;
  /** A pair for algorithms with public keys. */
  generateKey(algorithm: AlgorithmIdentifier, extractable: boolean, keyUsages: readonly KeyUsage[]): Promise<CryptoKey | CryptoKeyPair>;
  deriveKey(algorithm: AlgorithmIdentifier, baseKey: CryptoKey, derivedKeyType: AlgorithmIdentifier, extractable: boolean, keyUsages: readonly KeyUsage[]): Promise<CryptoKey>;
  deriveBits(algorithm: AlgorithmIdentifier, baseKey: CryptoKey, length?: number | null): Promise<ArrayBuffer>;
  importKey(format: 'jwk', keyData: JsonWebKey, algorithm: AlgorithmIdentifier, extractable: boolean, keyUsages: readonly KeyUsage[]): Promise<CryptoKey>;
  importKey(format: Exclude<KeyFormat, 'jwk'>, keyData: KeyData, algorithm: AlgorithmIdentifier, extractable: boolean, keyUsages: readonly KeyUsage[]): Promise<CryptoKey>;
  exportKey(format: 'jwk', key: CryptoKey): Promise<JsonWebKey>;
  exportKey(format: Exclude<KeyFormat, 'jwk'>, key: CryptoKey): Promise<ArrayBuffer>;
  wrapKey(format: KeyFormat, key: CryptoKey, wrappingKey: CryptoKey, wrapAlgorithm: AlgorithmIdentifier): Promise<ArrayBuffer>;
  unwrapKey(
    format: KeyFormat, wrappedKey: KeyData, unwrappingKey: CryptoKey, unwrapAlgorithm: AlgorithmIdentifier, unwrappedKeyAlgorithm: AlgorithmIdentifier, extractable: boolean,
    keyUsages: readonly KeyUsage[],
  ): Promise<CryptoKey>;
}
interface Crypto {
  readonly subtle: SubtleCrypto;
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
}
declare var crypto: Crypto;

interface Console {
  log(...args: unknown[]): void;
  info(...args: unknown[]): void;
  debug(...args: unknown[]): void;
  warn(...args: unknown[]): void;
  error(...args: unknown[]): void;
  trace(...args: unknown[]): void;
  clear(): void;
  assert(condition?: unknown, ...args: unknown[]): void;
  dir(value?: unknown, options?: { depth?: number | null }): void;
  table(data?: unknown, columns?: readonly string[]): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string, ...args: unknown[]): void;
  timeEnd(label?: string): void;
  group(...args: unknown[]): void;
  groupCollapsed(...args: unknown[]): void;
  groupEnd(): void;
}
declare var console: Console;

declare function setTimeout<A extends unknown[]>(callback: (...args: A) => unknown, ms?: number, ...args: A): number;
declare function setInterval<A extends unknown[]>(callback: (...args: A) => unknown, ms?: number, ...args: A): number;
declare function clearTimeout(id?: number): void;
declare function clearInterval(id?: number): void;
declare function queueMicrotask(callback: () => void): void;
declare function reportError(error: unknown): void;

interface Performance extends EventTarget {
  readonly timeOrigin: number;
  now(): number;
}
declare var performance: Performance;
declare var navigator: { readonly userAgent: string };
declare var self: typeof globalThis;
