// Types of what an applet is called with and of the `sdk` object. Needs TypeScript's DOM library or `@belljar/sdk/globals` for the
// web's own classes.

/** Values SQLite knows. Whole numbers beyond 2^53 arrive as bigint; booleans are stored as 0 and 1. */
export type SqlValue = null | number | bigint | string | boolean | Uint8Array;
/** Positional (`?`), or named (`:name`, `@name`, `$name`) without the sign. */
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>;
export type Row = Record<string, SqlValue>;

export interface Changes {
  changes: number;
  lastInsertRowid: number | bigint;
}

export interface Queries {
  /** All rows. Of several columns with one name the last has it; the ones before it are called `name:1`, `name:2`, … */
  query<T = Row>(sql: string, params?: SqlParameters): Promise<T[]>;
  /** The first row, or null. */
  queryOne<T = Row>(sql: string, params?: SqlParameters): Promise<T | null>;
  execute(sql: string, params?: SqlParameters): Promise<Changes>;
  /** The same as `execute`, by the name SQLite's own drivers use. */
  exec(sql: string, params?: SqlParameters): Promise<Changes>;
}

export type Statement = string | readonly [sql: string, params?: SqlParameters] | { readonly sql: string; readonly params?: SqlParameters };

/** The database of this tenant and applet. One statement per call; errors are `SdkError` with `capability` "db". */
export interface Database extends Queries {
  /** All or nothing, in one transaction of its own. */
  batch(statements: readonly Statement[]): Promise<Changes[]>;
  /** Commits when `body` returns, rolls back when it throws. Only one may be open at a time: a second one fails with code "busy". */
  transaction<T>(body: (tx: Readonly<Queries>) => T | PromiseLike<T>): Promise<T>;
}

export interface HttpOptions {
  headers?: HeadersInit;
  /** Added to the query of the URL. */
  query?: Record<string, string> | URLSearchParams | [string, string][];
  redirect?: 'follow' | 'error' | 'manual';
  signal?: AbortSignal | null;
  /** Milliseconds; can only shorten the host's own limit. */
  timeoutMs?: number;
}

/** Outgoing HTTP to the hosts of the manifest. Unlike global fetch it fails with `SdkError`. */
export interface Http {
  fetch(input: string | URL | Request, init?: RequestInit & { timeoutMs?: number }): Promise<Response>;
  get(url: string | URL, options?: HttpOptions): Promise<Response>;
  delete(url: string | URL, options?: HttpOptions): Promise<Response>;
  /** Strings, bytes and URLSearchParams are sent as they are, any other value as JSON. */
  post(url: string | URL, body?: unknown, options?: HttpOptions): Promise<Response>;
  put(url: string | URL, body?: unknown, options?: HttpOptions): Promise<Response>;
  patch(url: string | URL, body?: unknown, options?: HttpOptions): Promise<Response>;
}

/** Log lines with fields; the host adds tenant, applet, handler and invocation. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export type Bytes = string | ArrayBuffer | ArrayBufferView;

/** Text means its UTF-8 bytes; results are lower-case hexadecimal. */
export interface SdkCrypto {
  sha256Hex(data: Bytes): string;
  hmacSha256Hex(key: Bytes, data: Bytes): string;
  /** Compares in time that depends on the lengths only. */
  timingSafeEqual(a: Bytes, b: Bytes): boolean;
}

/** A capability refused or failed. */
export interface SdkError extends Error {
  readonly name: string;
  /** `busy`, `denied`, `invalid`, `constraint`, `limit`, `not-granted`, `timeout`, … */
  readonly code: string;
  readonly capability: 'db' | 'http' | (string & {});
  /** For code "limit" and its kin: the limit's name, what it allows, what was asked for. */
  readonly limit?: string;
  readonly allowed?: number;
  readonly used?: number;
}

export interface Sdk {
  readonly db: Readonly<Database>;
  readonly http: Readonly<Http>;
  readonly log: Readonly<Log>;
  readonly crypto: Readonly<SdkCrypto>;
  /** For `error instanceof sdk.SdkError`. */
  readonly SdkError: abstract new (...args: never) => SdkError;
}

/** The first argument of a handler. Nothing in it depends on `this`: it may be taken apart. */
export interface Context {
  readonly tenant: string;
  readonly user: string | undefined;
  readonly organisation: string | undefined;
  readonly permissions: readonly string[];
  readonly locale: string;
  readonly applet: string;
  readonly version: string;
  readonly handler: string;
  readonly trigger: 'one-off' | 'http' | 'event' | 'schedule' | (string & {});
  readonly invocationId: string;
  /** Unix time in milliseconds. */
  readonly deadline: number;
  readonly sdk: Sdk;
  /** The HTTP request with its raw body; undefined when the handler was called with a value. */
  readonly request: Request | undefined;
  readonly signal: AbortSignal;
  /** The reply waits for the promise; a rejection is logged. */
  waitUntil(promise: unknown): void;
  json(value: unknown, status?: number): Response;
  text(value: string, status?: number): Response;
  badRequest(message?: string): Response;
  unauthorized(message?: string): Response;
  forbidden(message?: string): Response;
  notFound(message?: string): Response;
  conflict(message?: string): Response;
}

/** `(context, payload) => result`: any JSON value, a Response, or nothing. */
export type Handler<Payload = unknown, Result = unknown> = (context: Context, payload: Payload) => Result | Promise<Result>;

/** A handler of HTTP requests that reads `context.request` itself. */
export type HttpHandler = (context: Context & { readonly request: Request }) => unknown;

export interface Env {
  readonly sdk: Sdk;
}

export interface ScheduledEvent {
  readonly type: 'scheduled';
  readonly cron: string;
  /** Unix time in milliseconds. */
  readonly scheduledTime: number;
}

export interface Message<Body = unknown> {
  readonly id: string;
  readonly timestamp: Date;
  readonly attempts: number;
  readonly body: Body;
  ack(): void;
  /** The call fails, and the host tries again as the manifest says. */
  retry(): void;
}

export interface MessageBatch<Body = unknown> {
  readonly queue: string;
  readonly messages: readonly Message<Body>[];
  ackAll(): void;
  retryAll(): void;
}

/** The web-standard shape of a default export. */
export interface ExportedHandler<Body = unknown> {
  fetch?(request: Request, env: Env, ctx: Context): Response | Promise<Response>;
  scheduled?(event: ScheduledEvent, env: Env, ctx: Context): unknown;
  queue?(batch: MessageBatch<Body>, env: Env, ctx: Context): unknown;
}

declare global {
  /** The capabilities; the same object as `context.sdk`. */
  const sdk: Sdk;
}
