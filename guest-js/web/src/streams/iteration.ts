// Async iteration over a stream (Streams standard, 4.2.5; Web IDL, 3.7.10), and streams made of iterables (4.9.1).

import { apply, create, defineProperty, promiseReject, promiseResolve, promiseThen, SavedPromise } from '../primordials.ts';
import { once } from '../lazy.ts';
import { isObject } from '../webidl.ts';
import { cancelStream, lockStream, readables, releaseReader } from './readable.ts';
import { CLOSED, ERRORED, NO_CHUNK, type ReadableState, type ReaderState, type ReadRequest } from './states.ts';
import { afterTick } from './support.ts';
import type { DefaultState } from './default-controller.ts';

const asyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf((async function* () { /* For its prototype. */ }).prototype)) as object;

type Step = IteratorResult<unknown>;
interface IteratorState { readonly reader: ReaderState; readonly preventCancel: boolean; ongoing: Promise<Step> | undefined; isFinished: boolean }

export const iterations = once(() => {
  class Read implements ReadRequest {
    readonly state: IteratorState;
    readonly resolve: (step: Step) => void;
    readonly reject: (reason: unknown) => void;
    constructor(state: IteratorState, resolve: (step: Step) => void, reject: (reason: unknown) => void) {
      this.state = state;
      this.resolve = resolve;
      this.reject = reject;
    }
    /** A job later, as Web IDL's next() settles: the source is asked for more before the applet goes on, and perhaps stops. */
    chunk(value: unknown): void { afterTick(() => this.resolve({ value, done: false })); }
    close(): void {
      end(this.state);
      this.resolve({ value: undefined, done: true });
    }
    error(reason: unknown): void {
      end(this.state);
      this.reject(reason);
    }
  }
  function end(state: IteratorState): void {
    state.isFinished = true;
    releaseReader(state.reader);
  }

  function nextStep(state: IteratorState): Promise<Step> {
    if (state.isFinished) return promiseResolve({ value: undefined, done: true });
    const stream = state.reader.stream as ReadableState;
    stream.disturbed = true;
    if (stream.status === CLOSED) {
      end(state);
      return promiseResolve({ value: undefined, done: true });
    }
    if (stream.status === ERRORED) {
      const { error } = stream;
      end(state);
      return promiseReject(error);
    }
    const chunk = stream.controller.poll();
    if (chunk !== NO_CHUNK) return promiseResolve({ value: chunk, done: false });
    return new SavedPromise((resolve, reject) => stream.controller.wait(new Read(state, resolve, reject)));
  }

  function returnStep(state: IteratorState, value: unknown): Promise<Step> {
    if (state.isFinished) return promiseResolve({ value, done: true });
    state.isFinished = true;
    const { reader, preventCancel } = state;
    const result = (): Step => ({ value, done: true });
    if (preventCancel) {
      releaseReader(reader);
      return promiseResolve(result());
    }
    const cancelled = cancelStream(reader.stream as ReadableState, value);
    releaseReader(reader);
    return promiseThen(cancelled, result) as Promise<Step>;
  }

  class StreamIterator {
    readonly #state: IteratorState;
    constructor(state: IteratorState) { this.#state = state; }
    static stateOf(value: unknown): IteratorState | undefined { return isObject(value) && #state in value ? value.#state : undefined; }
  }
  const { stateOf } = StreamIterator;

  /** One call after the other, as Web IDL says. */
  function inTurn(self: unknown, step: (state: IteratorState) => Promise<Step>): Promise<Step> {
    const state = stateOf(self);
    if (state === undefined) return promiseReject(new TypeError('the receiver is not an iterator of a ReadableStream'));
    const { ongoing } = state;
    const run = (): Promise<Step> => step(state);
    const promise = ongoing === undefined ? run() : (promiseThen(ongoing, run, run) as Promise<Step>);
    state.ongoing = promise;
    const done = (): void => {
      if (state.ongoing === promise) state.ongoing = undefined;
    };
    void promiseThen(promise, done, done);
    return promise;
  }
  const methods = {
    next(): Promise<Step> { return inTurn(this, nextStep); },
    return(value: unknown): Promise<Step> { return inTurn(this, (state) => returnStep(state, value)); },
  };
  const prototype = create(asyncIteratorPrototype) as object;
  defineProperty(prototype, 'next', { value: methods.next, writable: true, enumerable: true, configurable: true });
  defineProperty(prototype, 'return', { value: methods.return, writable: true, enumerable: true, configurable: true });
  defineProperty(prototype, Symbol.toStringTag, { value: 'ReadableStream AsyncIterator', configurable: true });
  // The class is only a place for the private slot.
  Object.setPrototypeOf(StreamIterator.prototype, prototype);

  function iterate(stream: ReadableState, preventCancel: boolean): object {
    const iterator = new StreamIterator({ reader: lockStream(stream, false), preventCancel, ongoing: undefined, isFinished: false });
    return Object.setPrototypeOf(iterator, prototype) as object;
  }

  /** ReadableStreamFromIterable. */
  function fromIterable(iterable: unknown): InstanceType<ReturnType<typeof readables>['ReadableStream']> {
    if (iterable === undefined || iterable === null) throw new TypeError('ReadableStream.from: give an iterable');
    const source = iterable as { [Symbol.asyncIterator]?: unknown; [Symbol.iterator]?: unknown };
    let method = source[Symbol.asyncIterator];
    const isAsync = method !== undefined && method !== null;
    if (!isAsync) method = source[Symbol.iterator];
    if (typeof method !== 'function') throw new TypeError('ReadableStream.from: the value is not iterable');
    const iterator = apply(method, iterable, []) as Record<string, unknown>;
    if (!isObject(iterator)) throw new TypeError('ReadableStream.from: the iterator must be an object');
    const { next } = iterator;
    // Of a synchronous iterable the values are awaited, as `for await` does.
    const settle = (step: unknown): Promise<Step> => {
      if (!isObject(step)) throw new TypeError('ReadableStream.from: a step of the iterator must be an object');
      const { done, value } = step as Step;
      return promiseThen(promiseResolve(value), (settled) => ({ value: settled, done: !!done })) as Promise<Step>;
    };
    const pull = (): Promise<unknown> => {
      const step = apply(next as () => unknown, iterator, []);
      return promiseThen(isAsync ? promiseResolve(step) : settle(step), (result: unknown) => {
        if (!isObject(result)) throw new TypeError('ReadableStream.from: a step of the iterator must be an object');
        const controller = stream.controller as DefaultState;
        if ((result as Step).done) controller.close();
        else controller.enqueue((result as Step).value);
      });
    };
    const cancel = (reason: unknown): Promise<unknown> | undefined => {
      const { return: close } = iterator;
      if (close === undefined || close === null) return undefined;
      if (typeof close !== 'function') throw new TypeError('ReadableStream.from: return of the iterator must be a function');
      const result: unknown = apply(close, iterator, [reason]);
      return promiseThen(isAsync ? promiseResolve(result) : promiseResolve(settle(result)), (step: unknown) => {
        if (!isObject(step)) throw new TypeError('ReadableStream.from: what return gives must be an object');
      });
    };
    const { create: createStream } = readables();
    const stream = createStream(undefined, pull, cancel, 0);
    return stream.object as ReturnType<typeof fromIterable>;
  }
  return { iterate, fromIterable };
});
