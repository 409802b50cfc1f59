// The seam between the engine (Rust, guest-js/engine) and the web platform (TypeScript, this folder): what the engine gives,
// and what it calls. `main.ts` is bundled into one script whose completion value is `(native: Native) => Driver`; the engine
// evaluates it once, when the base image is made.

/** Names an operation handed to the host. */
export type OperationId = number;
/** Names a body that moves in pieces. */
export type StreamId = number;
/** Names a compression or decompression under way. */
export type CodecHandle = number;
/** Values SQLite knows. Whole numbers beyond 2^53 come as bigint; booleans are sent as 0 and 1. */
export type SqlValue = null | number | bigint | string | boolean | Uint8Array;
/** Positional, or named without the sign. The engine checks and throws TypeError. */
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>;

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
  /** Throws TypeError on malformed input when fatal. Strips a byte order mark unless keepBom. */
  utf8Decode(bytes: Uint8Array, fatal: boolean, keepBom: boolean): string;
  sha256(bytes: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** Equal length and content, in time that depends on the length only. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
  base64Encode(bytes: Uint8Array): string;
  /** Forgiving-base64 decode (Infra standard); undefined when malformed. */
  base64Decode(text: string): Uint8Array | undefined;
  /** Begins to compress or decompress. format: 0 gzip, 1 deflate (with the header of zlib), 2 deflate-raw. */
  codecOpen(format: number, decompress: boolean): CodecHandle;
  /** What can be given out so far. Throws TypeError on malformed input. */
  codecWrite(codec: CodecHandle, bytes: Uint8Array): Uint8Array;
  /** The rest; frees the handle. Throws TypeError when the input is not complete. */
  codecFinish(codec: CodecHandle): Uint8Array;
  /** Gives a codec up that is not finished. */
  codecClose(codec: CodecHandle): void;
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
  /** code: the case of the WIT error variant (`busy`, `denied`, `limit`, …); capability: `db`, `http` or `body`. */
  | { kind: 'error'; capability: string; code: string; message: string; limit?: string; allowed?: number; used?: number };

/** The caller record of types.wit. */
export interface Caller {
  tenant: string; applet: string; version: string; user?: string; organisation?: string; permissions: string[]; locale: string;
}
export interface RequestParts { method: string; url: string; headers: string[]; body?: Uint8Array; stream?: StreamId }
export interface Call {
  id: string; deadlineMs: number; caller: Caller; handler: string; export: string; trigger: string;
  /** Exactly one of the two. */
  json: string | undefined; request: RequestParts | undefined;
}
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
  /** Prepares the globals of `belljar eval`: `print`, `sdk` with these parts only (no `sdk` when empty), `Intl` with these locales. */
  shell(grants: string[], locales: string[]): void;
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
  /** A promise was rejected and nobody handled it by the time the job queue was empty (calls only; a program fails instead). */
  unhandled(error: unknown): void;
}
