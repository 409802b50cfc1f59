// What all streams are made of: promises that come into being when somebody asks for them, queues, and calls whose failures become
// rejections. Function objects and classes of the streams proper are made on first use; these few are always there.

import { promiseReject, promiseResolve, promiseThen, SavedPromise } from '../primordials.ts';
import { isObject } from '../webidl.ts';

export function noop(): void { /* A reaction that only marks a promise as handled. */ }

const RESOLVED = promiseResolve(undefined);

/** Runs `then` as a job. */
export function afterTick(then: () => void): void { void promiseThen(RESOLVED, then); }

/** The result of calling an algorithm; what it throws becomes a rejected promise. */
export function attempt(algorithm: ((a?: unknown, b?: unknown) => unknown) | undefined, a?: unknown, b?: unknown): unknown {
  if (algorithm === undefined) return undefined;
  try {
    return algorithm(a, b);
  } catch (error) {
    return promiseReject(error);
  }
}

/** A promise for what `attempt` gave. */
export function promiseOf(result: unknown): Promise<unknown> {
  try {
    return promiseResolve(result);
  } catch (error) {
    return promiseReject(error); // The `constructor` of a promise may be a getter that throws.
  }
}

/**
 * The same as Web IDL converts it: for a promise a new one, which settles two jobs later. Where those jobs decide an order that can be
 * seen; elsewhere `promiseOf` saves them.
 */
export function converted(result: unknown): unknown { return isObject(result) ? new SavedPromise((resolve) => resolve(result)) : result; }

/** Reacts to what `attempt` gave. No promise is made for a plain value. */
export function upon(result: unknown, fulfilled: (value: never) => void, rejected: (reason: unknown) => void): void {
  if (isObject(result)) void promiseThen(promiseOf(result), fulfilled as () => void, rejected);
  else void promiseThen(RESOLVED, fulfilled as () => void);
}

const PENDING = 0;
const FULFILLED = 1;
const REJECTED = 2;

/** A promise of nothing, made when it is asked for: most of the promises of the standard are never looked at. */
export interface Later {
  status: number;
  reason: unknown;
  promise: Promise<undefined> | undefined;
  resolve: ((value: undefined) => void) | undefined;
  reject: ((reason: unknown) => void) | undefined;
  /** Whether a rejection counts as handled. */
  readonly quiet: boolean;
}

export function later(quiet: boolean): Later {
  return { status: PENDING, reason: undefined, promise: undefined, resolve: undefined, reject: undefined, quiet };
}
export function laterFulfilled(): Later {
  return { status: FULFILLED, reason: undefined, promise: undefined, resolve: undefined, reject: undefined, quiet: true };
}
export function laterRejected(reason: unknown): Later {
  return { status: REJECTED, reason, promise: undefined, resolve: undefined, reject: undefined, quiet: true };
}
export function isPending(of: Later): boolean { return of.status === PENDING; }

export function promiseFor(of: Later): Promise<undefined> {
  if (of.promise !== undefined) return of.promise;
  if (of.status === PENDING) {
    return (of.promise = new SavedPromise<undefined>((resolve, reject) => {
      of.resolve = resolve;
      of.reject = reject;
    }));
  }
  if (of.status === FULFILLED) return (of.promise = promiseResolve(undefined));
  of.promise = promiseReject(of.reason);
  if (of.quiet) void promiseThen(of.promise, undefined, noop);
  return of.promise;
}

export function fulfil(of: Later): void {
  if (of.status !== PENDING) return;
  of.status = FULFILLED;
  if (of.resolve !== undefined) of.resolve(undefined);
}

export function reject(of: Later, reason: unknown): void {
  if (of.status !== PENDING) return;
  of.status = REJECTED;
  of.reason = reason;
  if (of.promise === undefined) return;
  if (of.quiet) void promiseThen(of.promise, undefined, noop);
  (of.reject as (reason: unknown) => void)(reason);
}

/** First in, first out. Taking does not move what stays. */
export interface Fifo<T> { items: (T | undefined)[]; head: number }

export function fifo<T>(): Fifo<T> { return { items: [], head: 0 }; }
export function count(of: Fifo<unknown>): number { return of.items.length - of.head; }
export function put<T>(of: Fifo<T>, value: T): void { of.items[of.items.length] = value; }
export function first<T>(of: Fifo<T>): T { return of.items[of.head] as T; }

export function take<T>(of: Fifo<T>): T {
  const { items, head } = of;
  const value = items[head] as T;
  if (head + 1 === items.length) {
    items.length = 0;
    of.head = 0;
    return value;
  }
  items[head] = undefined;
  of.head = head + 1;
  if (head >= 64 && head * 2 >= items.length) {
    const kept: (T | undefined)[] = [];
    for (let i = head + 1; i < items.length; i++) kept[kept.length] = items[i];
    of.items = kept;
    of.head = 0;
  }
  return value;
}

/** What was in it; it is empty then. */
export function takeAll<T>(of: Fifo<T>): Fifo<T> {
  const { items, head } = of;
  of.items = [];
  of.head = 0;
  return { items, head };
}

/** A queue of chunks with their sizes (Streams standard, 8.1). Sizes are not kept while all of them are 1. */
export interface Queue { readonly chunks: Fifo<unknown>; sizes: Fifo<number> | undefined; total: number }

export function queue(isSized: boolean): Queue { return { chunks: fifo(), sizes: isSized ? fifo() : undefined, total: 0 }; }

export function putSized(of: Queue, chunk: unknown, size: number): void {
  put(of.chunks, chunk);
  if (of.sizes !== undefined) put(of.sizes, size);
  of.total += size;
}

export function takeSized(of: Queue): unknown {
  const total = of.total - (of.sizes === undefined ? 1 : take(of.sizes));
  // Sums of fractions may end below zero.
  of.total = total < 0 ? 0 : total;
  return take(of.chunks);
}

export function clear(of: Queue): void {
  takeAll(of.chunks);
  if (of.sizes !== undefined) takeAll(of.sizes);
  of.total = 0;
}
