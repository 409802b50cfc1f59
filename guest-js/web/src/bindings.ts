// The seam between the engine (Rust, guest-js/engine) and the web platform (TypeScript, this folder): what the engine gives,
// and what it calls. `main.ts` is bundled into one script whose completion value is `(native: Native) => Driver`; the engine
// evaluates it once, when the base image is made.

/** Names an operation handed to the host. */
export type OperationId = number;
/** Names a body that moves in pieces. */
export type StreamId = number;
/** A URL and where its parts are: its text, the ends of scheme and user name, begin and end of the host, the port (-1: none), the begins of
 * path, query and fragment (each at the end of what is before it when there is none). */
export type UrlParts = [
  href: string, schemeEnd: number, usernameEnd: number, hostStart: number, hostEnd: number, port: number, pathStart: number, queryStart: number,
  fragmentStart: number,
];
/** Of each component from protocol to hash: its pattern, the source of its regular expression, and the names of the groups; then whether any has a group
 * that is a regular expression of the author's. */
export type PatternParts = [...components: [pattern: string, source: string, ...names: string[]][], hasRegExpGroups: boolean];
/** Members of a URLPatternInit: protocol, username, password, hostname, port, pathname, search, hash, baseURL. */
export type PatternInit = readonly (string | undefined)[];
/** Whether a regular expression matches a text. */
export type PatternTest = (source: string, text: string) => boolean;
/** A key on the host; `bits` of an AES key or an RSA modulus, else 0. */
export interface HostKey { readonly id: number; readonly role: 'secret' | 'private' | 'public'; readonly bits: number; readonly publicExponent: Uint8Array }
/** A decoder in the middle of its input. */
export interface Decoder { readonly isDecoder: never }
/** Names a compression or decompression under way. */
export type CodecHandle = number;
/** Values SQLite knows. Whole numbers beyond 2^53 come as bigint; booleans are sent as 0 and 1. */
export type SqlValue = null | number | bigint | string | boolean | Uint8Array;
/** Positional, or named without the sign. The engine checks and throws TypeError. */
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>;

/** JSON text, or bytes. */
export type KvValue = string | Uint8Array;

/** Functions of the engine. While an applet is prepared all capability functions throw an Error that says so. */
export interface Native {
  /** Unix time in microseconds. */
  nowUs(): number;
  /** Where a value that is no error was thrown last, as the text of a stack; empty when it was not. */
  thrownStack(value: unknown): string;
  /** At most 65,536 bytes. */
  randomBytes(length: number): Uint8Array;
  /** origin: 0 console, 1 sdk. level: 0 debug, 1 info, 2 warn, 3 error. fields: name, JSON text, name, JSON text, … */
  log(origin: number, level: number, message: string, fields: string[]): void;
  dbQuery(sql: string, parameters: SqlParameters | undefined, transaction: number | undefined): OperationId;
  dbQueryOne(sql: string, parameters: SqlParameters | undefined, transaction: number | undefined): OperationId;
  dbExecute(sql: string, parameters: SqlParameters | undefined, transaction: number | undefined): OperationId;
  /** sqls and parameters have the same length. */
  dbBatch(sqls: string[], parameters: (SqlParameters | undefined)[]): OperationId;
  dbBegin(): OperationId;
  dbCommit(transaction: number): OperationId;
  dbRollback(transaction: number): OperationId;
  /** headers: name, value, name, value, …; body: bytes, or a stream of bodyOpen; redirect: 0 follow, 1 error, 2 manual. */
  httpSend(
    method: string, url: string, headers: string[], body: Uint8Array | StreamId | undefined, redirect: number, timeoutMs: number | undefined): OperationId;
  kvGet(keys: string[]): OperationId;
  kvSet(key: string, value: KvValue, ttlMs: number | undefined): OperationId;
  kvDelete(key: string): OperationId;
  kvIncrement(key: string, by: number, ttlMs: number | undefined): OperationId;
  kvCompareAndSet(key: string, expected: KvValue | undefined, value: KvValue | undefined, ttlMs: number | undefined): OperationId;
  kvList(prefix: string, after: string | undefined, limit: number): OperationId;
  secretGet(name: string): OperationId;
  eventPublish(name: string, payload: string, key: string | undefined, orderKey: string | undefined, delayMs: number): OperationId;
  /** atMs instead of delayMs. */
  jobEnqueue(handler: string, payload: string, delayMs: number, atMs: number | undefined, priority: number, key: string | undefined): OperationId;
  jobCancel(id: string): OperationId;
  jobProgress(progress: string): OperationId;
  /** argument: JSON. Completes with JSON, as text. */
  customCall(capability: string, name: string, argument: string): OperationId;
  /** A stream to write, for httpSend or respond. */
  bodyOpen(): StreamId;
  /** At most maxBytes, as soon as there are any. One read of a stream at a time. */
  bodyRead(stream: StreamId, maxBytes: number): OperationId;
  /** Completes when the other side has taken the bytes. */
  bodyWrite(stream: StreamId, bytes: Uint8Array): OperationId;
  /** Ends a body that is written; gives up one that is read. */
  bodyClose(stream: StreamId): void;
  /** Breaks a body off that is written; gives up one that is read. */
  bodyAbort(stream: StreamId, reason: string): void;
  /** Answers the call, once; the reply is `true` when the stream has been closed. */
  respond(status: number, headers: string[], stream: StreamId): void;
  /** question: a case of wit/intl.wit, by number. Throws RangeError when there is no answer. Open while an applet is prepared. */
  intl(question: number, recipe: string, value: string): string;
  intlCompare(recipe: string, left: string, right: string): number;
  /** The operation will not complete. */
  cancel(operation: OperationId): void;
  utf8Encode(text: string): Uint8Array;
  /** Fills the destination with whole characters; answers how many UTF-16 units were read, and how many bytes written. */
  utf8EncodeInto(text: string, into: Uint8Array): [read: number, written: number];
  /** Throws TypeError on malformed input when fatal. Strips a byte order mark unless keepBom. */
  utf8Decode(bytes: Uint8Array, fatal: boolean, keepBom: boolean): string;
  /** The name of an encoding, in lower case, by one of its labels. */
  encodingName(label: string): string | undefined;
  decoderOpen(encoding: string, keepBom: boolean): Decoder;
  /** The text of the bytes so far. After `last` or a TypeError the decoder is at its end. */
  decode(decoder: Decoder, bytes: Uint8Array, fatal: boolean, last: boolean): string;
  /** The URL parser; undefined when the URL, or the base, is not valid. */
  urlParse(url: string, base: string | undefined): UrlParts | undefined;
  urlCanParse(url: string, base: string | undefined): boolean;
  /** A setter, by the numbers of url.ts; undefined when it changes nothing. */
  urlSet(href: string, part: number, value: string): UrlParts | undefined;
  percentDecode(text: string): Uint8Array;
  /** name, value, name, value, … of application/x-www-form-urlencoded text. */
  formParse(text: string): string[];
  formSerialize(pairs: string[]): string;
  /** Both throw TypeError for a pattern that is not valid. */
  patternParse(pattern: string, base: string | undefined, ignoreCase: boolean, test: PatternTest): PatternParts;
  patternParseInit(init: PatternInit, ignoreCase: boolean, test: PatternTest): PatternParts;
  /** The components of what is matched, from protocol to hash; undefined when it matches nothing. */
  patternInput(url: string, base: string | undefined): string[] | undefined;
  patternInputInit(init: PatternInit): string[] | undefined;
  /** Keys and ciphers of the host; numbers are those of crypto/host.ts. Importing and generating throws while an applet is prepared. */
  cryptoImport(kind: number, format: number, material: Uint8Array[], extractable: boolean): OperationId;
  cryptoExport(key: number, format: number): OperationId;
  cryptoGenerate(kind: number, bits: number, extractable: boolean): OperationId;
  cryptoDrop(key: number): void;
  cryptoCipher(key: number, decrypts: boolean, cipher: number, number: number, given: Uint8Array[], text: Uint8Array): OperationId;
  cryptoSign(key: number, scheme: number, hash: number, saltBytes: number, message: Uint8Array): OperationId;
  cryptoVerify(key: number, scheme: number, hash: number, saltBytes: number, signature: Uint8Array, message: Uint8Array): OperationId;
  cryptoAgree(privateKey: number, publicKey: number): OperationId;
  /** Both by the names of `hash`; undefined for one that is not known, or when so many bytes cannot be derived. */
  pbkdf2(hash: string, password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Uint8Array | undefined;
  hkdf(hash: string, key: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array | undefined;
  /** Equal length and content, in time that depends on the length only. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
  base64Encode(bytes: Uint8Array): string;
  /** Forgiving-base64 decode (Infra standard); undefined when malformed. */
  base64Decode(text: string): Uint8Array | undefined;
  /** Undefined when the text holds a character beyond U+00FF. */
  btoa(text: string): string | undefined;
  /** Undefined when malformed. */
  atob(text: string): string | undefined;
  /** Begins to compress or decompress. format: 0 gzip, 1 deflate (with the header of zlib), 2 deflate-raw. */
  codecOpen(format: number, decompress: boolean): CodecHandle;
  /** What can be given out so far. Throws TypeError on malformed input. */
  codecWrite(codec: CodecHandle, bytes: Uint8Array): Uint8Array;
  /** The rest; frees the handle. Throws TypeError when the input is not complete. */
  codecFinish(codec: CodecHandle): Uint8Array;
  /** Gives a codec up that is not finished. */
  codecClose(codec: CodecHandle): void;
  /** The digest of a message by Node's name of it (in lower case), with a key its HMAC; undefined for a name that is not known. The bytes are not copied. */
  hash(name: string, message: Uint8Array, key: Uint8Array | undefined): Uint8Array | undefined;
  /**
   * The one value that promise jobs carry: with an argument sets it and answers what it was, without answers it. Undefined when the engine
   * calls, and again when no job is left.
   */
  asyncContext(value?: unknown): unknown;
  /** Runs a callback before promise jobs, but not between them. It must not throw. */
  nextTick(callback: () => void): void;
  /** Whether a function can read no argument but its first. */
  readsOne(target: unknown): boolean;
}

/** How the engine hands over the outcome of an operation: exactly one of `value` and `error`. */
export type Outcome =
  | { kind: 'rows'; columns: string[]; rows: SqlValue[][] }
  | { kind: 'changes'; changes: number; lastInsertRowid: number | bigint }
  | { kind: 'batch'; results: { changes: number; lastInsertRowid: number | bigint }[] }
  | { kind: 'transaction'; transaction: number }
  | { kind: 'ended' }
  /** body when it came whole, stream when it is to be read. */
  | { kind: 'response'; status: number; statusText: string; url: string; redirected: boolean; headers: string[]; body?: Uint8Array; stream?: StreamId }
  /** bytes: undefined at the end of the body. */
  | { kind: 'chunk'; bytes?: Uint8Array }
  | { kind: 'written' }
  | { kind: 'key'; key: HostKey }
  | { kind: 'pair'; privateKey: HostKey; publicKey: HostKey }
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'parts'; parts: Uint8Array[] }
  | { kind: 'verified'; isValid: boolean }
  /** undefined for a key that is not there. */
  | { kind: 'values'; values: (KvValue | undefined)[] }
  | { kind: 'keys'; keys: string[]; hasMore: boolean }
  | { kind: 'flag'; flag: boolean }
  | { kind: 'number'; number: number }
  | { kind: 'text'; text?: string }
  /** code: the case of the WIT error variant (`busy`, `denied`, `limit`, …); capability: `db`, `http`, `body`, `crypto`, `kv`, `secrets`, `events`, `jobs` or `custom`. */
  | { kind: 'error'; capability: string; code: string; message: string; limit?: string; allowed?: number; used?: number };

/** The caller record of types.wit. */
export interface Caller {
  tenant: string; applet: string; version: string; user?: string; organisation?: string; permissions: string[]; locale: string;
}
export interface RequestParts { method: string; url: string; headers: string[]; body?: Uint8Array; stream?: StreamId }
export interface Call {
  id: string; deadlineMs: number; caller: Caller; handler: string; export: string; trigger: string;
  /** Exactly one of the three. */
  json: string | undefined; request: RequestParts | undefined; messages?: MessageParts[];
  /** Those that are there: name, value, name, value, …; JSON of an object; 1 when it is not there. */
  params?: string[]; config?: string; attempt?: number; eventId?: string; jobId?: string; custom?: CustomCapabilities;
}
/** What was granted of the embedder's own capabilities: name, its functions, name, its functions, … */
export type CustomCapabilities = readonly (string | readonly string[])[];
export interface MessageParts { id: string; publishedMs: number; attempt: number; json: string }
/** JSON text (undefined for undefined), an HTTP response, or true when it was given to `respond` and its body is closed. */
export type Reply = string | undefined | true | { status: number; headers: string[]; body: Uint8Array | undefined };

/** role: 0 thrown, 1 the cause of another one, 2 one of those that another one gathers; parent: the place of that one. */
export interface ErrorReport { role: number; parent: number; name: string; message: string; stack: string; code: string | undefined; details: string | undefined }
/** reason: 0 threw, 1 handler not found, 2 invalid payload, 3 invalid result, 4 stack overflow. */
export interface Failure { reason: number; errors: ErrorReport[] }

/** What the engine calls. None of these may throw, except `call` (whatever it throws goes to `report`). */
export interface Driver {
  /** Calls a handler of the applet's module namespace. A promise only when the handler (or the body of its Response) made one. */
  call(namespace: Record<string, unknown>, call: Call): Reply | Promise<Reply>;
  /** Prepares the globals of `belljar eval`: `print`, `sdk` with these parts only (no `sdk` when there are none), `Intl` with these locales. */
  shell(grants: string[], locales: string[], custom: CustomCapabilities): void;
  /** Called before an applet's bundle is evaluated if it declares locales: gives it `Intl`. */
  locales(declared: string[]): void;
  /** Hands an operation's outcome over (resolves or rejects its promise). */
  complete(operation: OperationId, outcome: Outcome): void;
  /** Operations handed to the host and not completed or cancelled. */
  outstanding(): number;
  /** The earliest timer, Unix microseconds; undefined when there is none. */
  nextTimerUs(): number | undefined;
  /** Runs one due timer (the earliest, ties in order of creation); false when none is due. The engine runs promise jobs in between. */
  fireTimer(): boolean;
  /** An error and its chain of causes, as data; never throws, whatever was thrown (revoked proxies, throwing getters, 32 MB messages: cut to 8 KiB each). */
  report(error: unknown): Failure;
  /** Names that one of Node's modules exports; undefined for a module that is not there. */
  builtinModule(specifier: string): string[] | undefined;
  /** A promise was rejected and nobody handled it by the time the job queue was empty. False when the program is to fail of it. */
  rejected(promise: object, reason: unknown): boolean;
  /** A promise that `rejected` was told of has been handled after all. */
  handled(promise: object, reason: unknown): void;
}
