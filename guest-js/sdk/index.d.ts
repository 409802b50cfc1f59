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

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface Ttl {
  /** How long the key is there, milliseconds; at least 1. For good when it is left out. */
  readonly ttlMs?: number;
}

/**
 * Keys and values of this tenant and applet. A value is what JSON can hold, or bytes (an ArrayBuffer or a view of one): JSON comes back as
 * what it was, bytes as a Uint8Array. Keys are texts of at most 512 bytes without control characters. Errors are `SdkError` with
 * `capability` "kv".
 */
export interface Kv {
  /** The value; undefined when the key is not there. */
  get<T = unknown>(key: string): Promise<T | undefined>;
  /** The values of several keys (at most 1,000), in their order. */
  mget<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]>;
  set(key: string, value: unknown, options?: Ttl): Promise<void>;
  /** Whether the key was there. */
  delete(key: string): Promise<boolean>;
  /** Adds to a whole number, 1 by default, and answers the sum. A key that is not there is 0; it keeps its time to live unless another is given. */
  increment(key: string, by?: number, options?: Ttl): Promise<number>;
  /**
   * Sets the key if it has the expected value, and answers whether it had. `undefined` stands for a key that is not there, in both places.
   * JSON is compared by what it means: the order of an object's members does not matter.
   */
  compareAndSet(key: string, expected: unknown, value: unknown, options?: Ttl): Promise<boolean>;
  /** Keys in the order of their UTF-8 bytes, 100 at a time unless told otherwise; with `cursor` the page after. */
  list(options?: { readonly prefix?: string | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined }): Promise<{ keys: string[]; cursor: string | undefined }>;
}

/** Texts that the tenant keeps for this applet, by the names of `permissions.secrets`. */
export interface Secrets {
  /**
   * The text; undefined when the tenant has not set it. Of a secret that is bound to hosts it is a placeholder: put it into the value of a
   * header (`authorization: `Bearer ${key}``), and the host puts the text in its place when the request goes to one of those hosts by https.
   */
  get(name: string): Promise<string | undefined>;
}

/** What the tenant has configured for this applet. */
export interface Config {
  /** The value by its name; undefined when there is none. The same as a member of `context.config`. */
  get<T = unknown>(name: string): T | undefined;
}

/** Events, by the names of `permissions.events.publish`. */
export interface Events {
  /** Answers the event's id once it will not be lost. */
  publish(name: string, payload?: unknown, options?: {
    /** A second event of the same name and key is the same one. */
    readonly key?: string;
    /** Events with the same one are delivered one after the other. */
    readonly orderKey?: string;
    /** It is delivered no sooner. */
    readonly delayMs?: number;
  }): Promise<string>;
}

export interface JobOptions {
  /** -100 to 100, 0 by default; higher ones are done first. */
  readonly priority?: number;
  /** While a job with the same handler and key waits, a second one is that job. */
  readonly key?: string;
}

/** Calls of this applet's own handlers, later and outside the call that asks for them. */
export interface Jobs {
  /** Answers the job's id once it will not be lost. */
  enqueue(handler: string, payload?: unknown, options?: JobOptions & { readonly delayMs?: number }): Promise<string>;
  /** As `enqueue`, to be done at a time (a Date, or Unix time in milliseconds) or as soon after it as possible. */
  schedule(handler: string, at: Date | number, payload?: unknown, options?: JobOptions): Promise<string>;
  /** Whether there was a job that could still be cancelled. */
  cancel(id: string): Promise<boolean>;
  /** How far the running job is: a number, or any other JSON. */
  progress(progress: unknown): Promise<void>;
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
  readonly capability: 'db' | 'http' | 'kv' | 'secrets' | 'events' | 'jobs' | (string & {});
  /** For code "limit" and its kin: the limit's name, what it allows, what was asked for. */
  readonly limit?: string;
  readonly allowed?: number;
  readonly used?: number;
}

/**
 * What `sdk` has. A host may have capabilities of its own, for which the manifest asks by `permissions: { custom: [greet] }`; who makes the host
 * ships their types in a file that adds to this interface:
 *
 * ```ts
 * import '@belljar/sdk';
 * declare module '@belljar/sdk' {
 *   interface Sdk {
 *     readonly greet: { hello(who: { name: string }): Promise<{ text: string }> };
 *   }
 * }
 * ```
 *
 * A name that is not granted, or not there, throws a TypeError that says so; `'greet' in sdk` asks.
 */
export interface Sdk {
  readonly db: Readonly<Database>;
  readonly http: Readonly<Http>;
  readonly kv: Readonly<Kv>;
  readonly secrets: Readonly<Secrets>;
  readonly config: Readonly<Config>;
  readonly events: Readonly<Events>;
  readonly jobs: Readonly<Jobs>;
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
  /** What the path of the request has at the placeholders of the handler's route; the rest of a `*` has the name `*`. Frozen. */
  readonly params: Readonly<Record<string, string>>;
  /** What the tenant has configured for this applet. Frozen. */
  readonly config: Readonly<Record<string, unknown>>;
  /** From 1: more than 1 when an event, a schedule or a job is tried again. */
  readonly attempt: number;
  /** The event that is handled, and the job that is done. */
  readonly eventId: string | undefined;
  readonly jobId: string | undefined;
  readonly sdk: Sdk;
  /** The HTTP request with its raw body; undefined when the handler was called with a value. */
  readonly request: Request | undefined;
  readonly signal: AbortSignal;
  /**
   * Goes on after the answer to a request, for as long as `wait_until_ms` allows; any other call ends when the promise is settled. A rejection
   * is logged.
   */
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
  /** It is done with. Of a message the first word counts, here or for all. */
  ack(): void;
  /** It comes again, no sooner than told or else as the manifest says. */
  retry(options?: { readonly delaySeconds?: number }): void;
}

/** Messages that nothing is said about are done with when the handler returns; when it throws, all of them come again. */
export interface MessageBatch<Body = unknown> {
  readonly queue: string;
  readonly messages: readonly Message<Body>[];
  ackAll(): void;
  retryAll(options?: { readonly delaySeconds?: number }): void;
}

/** The web-standard shape of a default export. */
export interface ExportedHandler<Body = unknown> {
  fetch?(request: Request, env: Env, ctx: Context): Response | Promise<Response>;
  scheduled?(event: ScheduledEvent, env: Env, ctx: Context): unknown;
  queue?(batch: MessageBatch<Body>, env: Env, ctx: Context): unknown;
}

/** What a page (`type: render`) is told beside its own props; the same on the server and in the browser. Nothing else of the context goes there. */
export interface Page {
  /** Of the manifest's `runtime.locales` the one that fits the caller's best, or the first; without any, the caller's. */
  readonly locale: string;
  readonly permissions: readonly string[];
  /** Null where the caller is not known. */
  readonly user: string | null;
  /** The applet's own part of the URL's path; empty where the page was called by name. */
  readonly path: string;
  /** What the path has at the placeholders of the page's route. */
  readonly params: Readonly<Record<string, string>>;
  /** What the URL's path has before the applet's own, without a slash at its end: links are `${base}/reports/7`. */
  readonly base: string;
}

/**
 * The props of a page's component, which is the default export of its file: what `load` has returned, or the payload, and `page`. They must be
 * what JSON can hold, because the browser gets them too (unless the page has `hydrate: false`).
 */
export type PageProps<Props extends object = {}> = Readonly<Props> & { readonly page: Page };

/**
 * The export `load` of a page's file: gives the props, or a Response that is the answer in place of the page. It runs on the server only, and
 * what only it needs does not reach the browser.
 */
export type Load<Props extends object = {}, Payload = unknown> = (context: Context, payload: Payload) => Props | Response | Promise<Props | Response>;

declare global {
  /** The capabilities; the same object as `context.sdk`. */
  const sdk: Sdk;
}
