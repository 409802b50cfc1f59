// Types of `@belljar/sdk/test`, which `belljar test` puts into the bundle of the tests. docs/testing.md tells how it is used.

import type { Sdk } from './index.js';

export interface TestOptions {
  /** Most fuel the test may take, its hooks included. */
  readonly fuelMax?: number;
  /** Most time on the wall, milliseconds. */
  readonly timeoutMs?: number;
}

type Body = () => unknown;
type Row<T> = T extends readonly unknown[] ? T : [T];

interface Declare {
  (name: string, body: Body, options?: TestOptions | number): void;
  (name: string, options: TestOptions, body: Body): void;
  /** `%s %d %i %f %j %#` in the name are the values of the row, `$member` those of an object. */
  each<const T>(table: readonly T[]): (name: string, body: (...given: Row<T> extends readonly [...infer Given] ? Given : never) => unknown, options?: TestOptions | number) => void;
}

export interface It extends Declare {
  readonly only: Declare;
  readonly skip: Declare;
  /** One that is still to be written. */
  readonly todo: (name: string, body?: Body) => void;
  skipIf(condition: unknown): Declare;
  runIf(condition: unknown): Declare;
}

interface DeclareSuite {
  (name: string, body: Body): void;
  each<const T>(table: readonly T[]): (name: string, body: (...given: Row<T> extends readonly [...infer Given] ? Given : never) => unknown) => void;
}

export interface Describe extends DeclareSuite {
  readonly only: DeclareSuite;
  readonly skip: DeclareSuite;
  readonly todo: (name: string, body?: Body) => void;
  skipIf(condition: unknown): DeclareSuite;
  runIf(condition: unknown): DeclareSuite;
}

export const it: It;
export const test: It;
export const describe: Describe;
/** Every test has a sandbox of its own: this runs in each, once. */
export function beforeAll(body: Body): void;
export function beforeEach(body: Body): void;
export function afterEach(body: Body): void;
export function afterAll(body: Body): void;

type Class<T = unknown> = abstract new (...given: never) => T;

/** Matchers; with `R` a Promise after `resolves` and `rejects`. */
export interface Matchers<R = void> {
  toBe(expected: unknown): R;
  toEqual(expected: unknown): R;
  toStrictEqual(expected: unknown): R;
  toMatchObject(expected: object): R;
  toBeTruthy(): R;
  toBeFalsy(): R;
  toBeNull(): R;
  toBeUndefined(): R;
  toBeDefined(): R;
  toBeNullable(): R;
  toBeNaN(): R;
  toBeGreaterThan(bound: number | bigint): R;
  toBeGreaterThanOrEqual(bound: number | bigint): R;
  toBeLessThan(bound: number | bigint): R;
  toBeLessThanOrEqual(bound: number | bigint): R;
  /** They differ by less than half of `10 ** -digits`; 2 digits by default. */
  toBeCloseTo(expected: number, digits?: number): R;
  toBeInstanceOf(type: Class): R;
  toBeTypeOf(type: 'string' | 'number' | 'bigint' | 'boolean' | 'symbol' | 'undefined' | 'object' | 'function'): R;
  toBeOneOf(options: Iterable<unknown>): R;
  toSatisfy(predicate: (value: never) => unknown): R;
  toContain(part: unknown): R;
  toContainEqual(part: unknown): R;
  toHaveLength(length: number): R;
  toHaveProperty(path: string | readonly PropertyKey[], value?: unknown): R;
  toMatch(pattern: string | RegExp): R;
  /** By a part of the message, a pattern of it, a class, an error with the same message, or an asymmetric matcher. */
  toThrow(expected?: unknown): R;
  toThrowError(expected?: unknown): R;
  toHaveBeenCalled(): R;
  toHaveBeenCalledOnce(): R;
  toHaveBeenCalledTimes(count: number): R;
  toHaveBeenCalledWith(...given: unknown[]): R;
  toHaveBeenLastCalledWith(...given: unknown[]): R;
  toHaveBeenNthCalledWith(place: number, ...given: unknown[]): R;
  toHaveReturned(): R;
  toHaveReturnedTimes(count: number): R;
  toHaveReturnedWith(value: unknown): R;
}

export interface Expectation extends Matchers {
  readonly not: Expectation;
  readonly resolves: Matchers<Promise<void>> & { readonly not: Matchers<Promise<void>> };
  readonly rejects: Matchers<Promise<void>> & { readonly not: Matchers<Promise<void>> };
}

interface Containing {
  objectContaining(members: object): any;
  arrayContaining(members: readonly unknown[]): any;
  stringContaining(part: string): any;
  stringMatching(pattern: string | RegExp): any;
  closeTo(number: number, digits?: number): any;
}

export interface Expect extends Containing {
  (received: unknown, note?: string): Expectation;
  any(type: Class | typeof BigInt | typeof Symbol): any;
  anything(): any;
  readonly not: Containing;
  assertions(count: number): void;
  hasAssertions(): void;
  unreachable(message?: string): never;
  fail(message?: string): never;
  /** Matchers of one's own; their types come by merging into `Matchers`. */
  extend(matchers: Record<string, (received: any, ...given: any[]) => { pass: boolean; message: () => string } | Promise<{ pass: boolean; message: () => string }>>): void;
}

export const expect: Expect;

export interface Mock<F extends (...given: any[]) => unknown> {
  (...given: Parameters<F>): ReturnType<F>;
  readonly mock: {
    readonly calls: Parameters<F>[];
    readonly results: { readonly type: 'return' | 'throw'; readonly value: any }[];
    readonly contexts: unknown[];
    readonly lastCall: Parameters<F> | undefined;
  };
  getMockName(): string;
  mockName(name: string): this;
  mockImplementation(body: F): this;
  mockImplementationOnce(body: F): this;
  mockReturnValue(value: ReturnType<F>): this;
  mockReturnValueOnce(value: ReturnType<F>): this;
  mockResolvedValue(value: Awaited<ReturnType<F>>): this;
  mockResolvedValueOnce(value: Awaited<ReturnType<F>>): this;
  mockRejectedValue(error: unknown): this;
  mockRejectedValueOnce(error: unknown): this;
  mockClear(): this;
  mockReset(): this;
  mockRestore(): void;
}

/** A function that records its calls. */
export function fn<F extends (...given: any[]) => unknown = (...given: any[]) => any>(body?: F): Mock<F>;
/** Puts one in the place of a method. What a module exports cannot be replaced: give it as an argument, or as a member of an object. */
export function spyOn<T extends object, K extends keyof T>(object: T, name: K): T[K] extends (...given: any[]) => unknown ? Mock<T[K]> : never;

export interface CallOptions {
  tenant?: string;
  user?: string;
  organisation?: string;
  permissions?: readonly string[];
  /** `en` by default. */
  locale?: string;
  /** Over what `config.set` has set. */
  config?: Record<string, unknown>;
  /** By default what the path of the Request has at the placeholders of the handler's route. */
  params?: Record<string, string>;
  attempt?: number;
  /** By default that of the handler in the manifest. */
  trigger?: string;
  eventId?: string;
  jobId?: string;
}

/**
 * Calls a handler of the applet by its name, in this sandbox; calls are made one after the other. With a Request it answers a Response, with a payload
 * what the handler returned, as JSON carries it. What the handler throws is thrown.
 */
export function call(handler: string, request: Request, options?: CallOptions): Promise<Response>;
export function call<T = any>(handler: string, payload?: unknown, options?: CallOptions): Promise<T>;
/** Delivers events in one batch, with the ids `evt_1`, `evt_2`, …; answers which of them the handler wants again. */
export function deliver(handler: string, payloads: readonly unknown[], options?: CallOptions): Promise<{ retry: { id: string; delayMs?: number }[] }>;

/** A request as it would have gone out, secrets in it. */
export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  /** As text. */
  readonly body: string;
  json(): any;
}

type Fixed = Response | Error | number | string | object;
/** A Response, a status, a text, a value for JSON, an Error to fail with, or a function of the request that gives one of them. */
export type Answer = Fixed | ((request: SentRequest) => Fixed | Promise<Fixed>);

/** Functions of one capability, each as the file with its types has it; it may answer later. */
type Functions<C> = { [F in keyof C]?: C[F] extends (...given: infer Given) => infer Answered ? (...given: Given) => Answered | Awaited<Answered> : never };

/** A call of a mocked function. */
export interface CustomCall {
  /** The function's. */
  readonly name: string;
  /** As JSON carries it; null when there was none. */
  readonly argument: any;
}

/** For errors that tell of a limit. */
export interface CallErrorDetails {
  /** Such as `custom.calls_max`. */
  limit?: string;
  allowed?: number;
  used?: number;
}

/** What a mock throws to have the applet see an SdkError with this code and message, as a host's function does with the `CallError` of Rust. */
export class CallError extends Error {
  constructor(code: string, message: string, details?: CallErrorDetails);
  readonly code: string;
  readonly limit?: string;
  readonly allowed?: number;
  readonly used?: number;
}

/** A request or a response in a recording. */
export interface RecordedMessage {
  readonly headers?: readonly (readonly string[])[];
  readonly body?: string;
  /** In place of `body`, if that is no text. */
  readonly bodyBase64?: string;
}

/** How what was asked failed. */
export interface RecordedError extends CallErrorDetails {
  readonly code: string;
  readonly message: string;
}

/** What `belljar replay --fixture` writes of a recording. */
export interface Recorded {
  readonly handler: string;
  /** What the handler was called with: JSON, a request, or the payloads of events. */
  readonly payload?: any;
  readonly request?: RecordedMessage & { readonly method: string; readonly url: string };
  readonly messages?: readonly any[];
  readonly http: readonly {
    readonly request: RecordedMessage & { readonly method: string; readonly url: string };
    readonly response?: RecordedMessage & { readonly status: number };
    readonly error?: RecordedError;
  }[];
  readonly custom: readonly { readonly capability: string; readonly function: string; readonly argument: any; readonly answer?: any; readonly error?: RecordedError }[];
  /** What it answered itself. */
  readonly answer?: any;
  readonly response?: RecordedMessage & { readonly status: number };
  readonly fault?: { readonly code: string; readonly message: string };
}

export const mock: {
  /**
   * Answers requests: `'GET https://api.example.com/items'`, without a method any, `*` for any text, without `?` whatever the query is. Several answers
   * are given in their order, the last one from then on. Of several mocks that fit the last one answers. What is not mocked fails, and what the
   * manifest does not allow is refused as ever.
   */
  http(spec: string | RegExp, ...answers: [Answer, ...Answer[]]): { readonly requests: readonly SentRequest[] };
  /**
   * Says what functions of a capability of the host's own answer (`permissions.custom`); those that were mocked before stay. Argument and answer are as
   * JSON carries them. A CallError, or any other error with a `code`, reaches the applet as the SdkError it would be; of other errors it learns that the
   * function failed, and they are logged. A function that is not mocked throws, and fails the test even where the applet catches that.
   */
  custom<Name extends string>(
    capability: Name,
    functions: Name extends keyof Sdk ? Functions<Sdk[Name]> : Readonly<Record<string, (argument: any) => unknown>>,
  ): { readonly calls: readonly CustomCall[] };
  /**
   * Has requests, and functions of the host's own, answered as they were answered when a call was recorded: `belljar replay --fixture FILE` writes the
   * JSON, which a test imports. Requests are known by method and URL, of several the one with the same body first; functions by their argument. Those that
   * are asked again are answered in their order, the last one from then on. What was not asked then fails.
   */
  recorded(recording: Recorded): void;
  /** All requests that were sent, mocked or not. */
  readonly requests: readonly SentRequest[];
};

/** Time stands at 2026-01-01T00:00:00Z, and passes only where something waits for it. */
export const clock: {
  /** Unix time in milliseconds. */
  now(): number;
  /** Forward or back. Timers that are set keep the time they are due at. */
  set(time: Date | number | string): Promise<void>;
  /** Timers that are due by then fire, each at its time. */
  advance(ms: number): Promise<void>;
};

export const secrets: {
  /** As the tenant would; undefined takes it away. */
  set(name: string, value: string | undefined): Promise<void>;
};

export const config: {
  /** For the calls that follow. */
  set(values: Record<string, unknown>): void;
};

export interface PublishedEvent {
  name: string;
  payload: any;
  key?: string;
  orderKey?: string;
  /** Unix time in milliseconds. */
  dueMs?: number;
}

export interface EnqueuedJob {
  id: string;
  handler: string;
  payload: any;
  priority: number;
  isCancelled: boolean;
  key?: string;
  /** Unix time in milliseconds. */
  dueMs?: number;
}

export const events: {
  /** What the applet has published, in order. */
  published(name?: string): Promise<PublishedEvent[]>;
};

export const jobs: {
  /** What the applet has enqueued, in order. */
  enqueued(handler?: string): Promise<EnqueuedJob[]>;
  /** What was told of progress, in order. */
  progress(): Promise<any[]>;
};
