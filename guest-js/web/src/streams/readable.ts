// ReadableStream with its default reader (Streams standard, 4.2, 4.3 and 4.9): what holds for streams of values and of bytes alike.

import { apply, defineProperty, promiseReject, promiseResolve, promiseThen, SavedPromise } from '../primordials.ts';
import { once } from '../lazy.ts';
import { dictionary, domString, finishInterface, isObject } from '../webidl.ts';
import { type AbortSignal, isSignal } from '../web/abort.ts';
import { byteStreams } from './byte-stream.ts';
import { defaultControllers } from './default-controller.ts';
import { iterations } from './iteration.ts';
import { pipes } from './pipe.ts';
import { CLOSED, ERRORED, NO_CHUNK, READABLE, type ReadableState, type ReaderState, type ReadIntoRequest, type ReadRequest } from './states.ts';
import { highWaterMarkOf, sizeOf, strategyOf } from './strategies.ts';
import { converted, type Fifo, fifo, fulfil, later, laterFulfilled, laterRejected, promiseFor, promiseOf, reject, take, takeAll, upon } from './support.ts';
import { tees } from './tee.ts';
import { type WritableState, writables } from './writable.ts';

export type Algorithm = ((a?: unknown, b?: unknown) => unknown) | undefined;
export interface PipeOptions { preventClose: boolean; preventAbort: boolean; preventCancel: boolean; signal: AbortSignal | undefined }

// 4.9 and 4.10: abstract operations on the slots. Functions of the module, as all parts of a stream call them.

/** ReadableStreamClose. */
export function closeStream(stream: ReadableState): void {
  stream.status = CLOSED;
  const { reader } = stream;
  if (reader === undefined) return;
  fulfil(reader.closed);
  if (reader.into !== undefined) return;
  const requests = takeAll(reader.requests);
  while (requests.items.length > requests.head) take(requests).close();
}

/** ReadableStreamError. */
export function errorStream(stream: ReadableState, reason: unknown): void {
  stream.status = ERRORED;
  stream.error = reason;
  const { reader } = stream;
  if (reader === undefined) return;
  reject(reader.closed, reason);
  failRequests(reader, reason);
}

function failRequests(reader: ReaderState, reason: unknown): void {
  const requests: Fifo<ReadRequest | ReadIntoRequest> = takeAll(reader.into ?? reader.requests);
  while (requests.items.length > requests.head) take(requests).error(reason);
}

function nothing(): undefined { return undefined; }

/** ReadableStreamCancel. */
export function cancelStream(stream: ReadableState, reason: unknown): Promise<unknown> {
  stream.disturbed = true;
  if (stream.status === CLOSED) return promiseResolve(undefined);
  if (stream.status === ERRORED) return promiseReject(stream.error);
  closeStream(stream);
  const into = stream.reader?.into;
  if (into !== undefined) {
    const requests = takeAll(into);
    while (requests.items.length > requests.head) take(requests).close(undefined);
  }
  return promiseThen(promiseOf(stream.controller.cancel(reason)), nothing);
}

/** ReadableStreamReaderGenericInitialize. */
export function lockStream(stream: ReadableState, isByob: boolean): ReaderState {
  const closed = stream.status === READABLE ? later(true) : stream.status === CLOSED ? laterFulfilled() : laterRejected(stream.error);
  return (stream.reader = { stream, closed, requests: fifo(), into: isByob ? fifo() : undefined });
}

/** ReadableStreamDefaultReaderRelease and ReadableStreamBYOBReaderRelease. */
export function releaseReader(reader: ReaderState): void {
  const { stream } = reader;
  if (stream === undefined) return;
  const reason = new TypeError('the reader was released');
  if (stream.status === READABLE) reject(reader.closed, reason);
  else reader.closed = laterRejected(reason);
  stream.controller.release();
  stream.reader = undefined;
  reader.stream = undefined;
  failRequests(reader, reason);
}

/** ReadableStreamDefaultReaderRead. */
export function readChunk(stream: ReadableState, request: ReadRequest): void {
  stream.disturbed = true;
  if (stream.status === CLOSED) request.close();
  else if (stream.status === ERRORED) request.error(stream.error);
  else {
    const chunk = stream.controller.poll();
    if (chunk === NO_CHUNK) stream.controller.wait(request);
    else request.chunk(chunk);
  }
}

/** A read that settles a promise. */
export class PromiseRead implements ReadRequest, ReadIntoRequest {
  readonly resolve: (result: IteratorResult<unknown>) => void;
  readonly error: (reason: unknown) => void;
  constructor(resolve: (result: IteratorResult<unknown>) => void, error: (reason: unknown) => void) {
    this.resolve = resolve;
    this.error = error;
  }
  chunk(value: unknown): void { this.resolve({ value, done: false }); }
  close(value?: unknown): void { this.resolve({ value, done: true }); }
}

/** The same with a promise as its answer: none waits when a chunk is queued. */
export function readResult(stream: ReadableState): Promise<IteratorResult<unknown>> {
  stream.disturbed = true;
  if (stream.status === CLOSED) return promiseResolve({ value: undefined, done: true });
  if (stream.status === ERRORED) return promiseReject(stream.error);
  const chunk = stream.controller.poll();
  if (chunk !== NO_CHUNK) return promiseResolve({ value: chunk, done: false });
  return new SavedPromise((resolve, reject) => stream.controller.wait(new PromiseRead(resolve, reject)));
}

/** A member of an underlying source, sink or transformer, as an algorithm. */
export function memberOf(given: Record<string, unknown>, name: string, what: string, arity: 0 | 1 | 2 = 1): Algorithm {
  const method = given[name];
  if (method === undefined) return undefined;
  if (typeof method !== 'function') throw new TypeError(`${what}: ${name} must be a function`);
  // Web IDL's callbacks get as many arguments as their type has: close() none, write(chunk, controller) two.
  return arity === 1 ? (a) => apply(method, given, [a]) : arity === 0 ? () => apply(method, given, []) : (a, b) => apply(method, given, [a, b]);
}

export function illegal(): never { throw new TypeError('Illegal constructor'); }
export function notA(name: string): TypeError { return new TypeError(`the receiver is not a ${name}`); }

export const readables = once(() => {
  let slotsOf!: (stream: ReadableStream) => ReadableState;
  let isStream!: (value: unknown) => value is ReadableStream;
  /** What the next stream is made over, when the platform makes one. */
  let building: ReadableState | undefined;

  /** Web IDL's conversion of UnderlyingSource, in the order of the names; then 4.2.4, the constructor's steps. */
  function setUp(stream: ReadableState, source: unknown, strategyGiven: unknown): void {
    if (source !== undefined && !isObject(source)) throw new TypeError('ReadableStream: the underlying source must be an object');
    const strategy = strategyOf(strategyGiven, 'ReadableStream');
    const given = (source ?? { __proto__: null }) as Record<string, unknown>;
    const allocate = given['autoAllocateChunkSize'];
    const chunkBytes = allocate === undefined ? undefined : wholeNumber(allocate, 'autoAllocateChunkSize');
    const cancel = memberOf(given, 'cancel', 'ReadableStream');
    const pull = memberOf(given, 'pull', 'ReadableStream');
    const start = memberOf(given, 'start', 'ReadableStream');
    const type = given['type'] === undefined ? undefined : domString(given['type']);
    if (type !== undefined && type !== 'bytes') throw new TypeError(`ReadableStream: the type is "bytes" or undefined, not "${type}"`);
    if (type === undefined) {
      const size = sizeOf(strategy);
      defaultControllers().setUp(stream, start, pull, cancel, highWaterMarkOf(strategy, 1), size);
      return;
    }
    if (strategy.size !== undefined) throw new RangeError('ReadableStream: a stream of bytes has no size()');
    byteStreams().setUp(stream, start, pull, cancel, highWaterMarkOf(strategy, 0), chunkBytes);
  }

  function pipeOptions(value: unknown): PipeOptions {
    const given = dictionary(value, 'pipeTo');
    const preventAbort = !!given['preventAbort'];
    const preventCancel = !!given['preventCancel'];
    const preventClose = !!given['preventClose'];
    const { signal } = given;
    if (signal !== undefined && !isSignal(signal)) throw new TypeError('pipeTo: the signal must be an AbortSignal');
    return { preventClose, preventAbort, preventCancel, signal };
  }

  function writableOf(value: unknown, what: string): WritableState {
    const slots = writables.made()?.stateOf(value);
    if (slots === undefined) throw new TypeError(`${what} must be a WritableStream`);
    return slots;
  }

  function preventCancelOf(options: unknown): boolean { return !!dictionary(options, 'values')['preventCancel']; }

  class ReadableStream {
    readonly #slots: ReadableState;
    static {
      slotsOf = (stream) => stream.#slots;
      isStream = (value): value is ReadableStream => isObject(value) && #slots in value;
    }
    constructor(underlyingSource: unknown = undefined, strategy: unknown = undefined) {
      if (building !== undefined) {
        this.#slots = building;
        building = undefined;
        this.#slots.object = this;
        return;
      }
      this.#slots = { ...newSlots(), object: this };
      setUp(this.#slots, underlyingSource, strategy);
    }

    static from(iterable: unknown): ReadableStream {
      if (arguments.length === 0) throw new TypeError('ReadableStream.from: give an iterable');
      return iterations().fromIterable(iterable);
    }

    get locked(): boolean { return this.#slots.reader !== undefined; }

    cancel(reason: unknown = undefined): Promise<unknown> {
      if (!isStream(this)) return promiseReject(notA('ReadableStream'));
      if (this.#slots.reader !== undefined) return promiseReject(new TypeError('cancel: the stream is locked to a reader'));
      return cancelStream(this.#slots, reason);
    }

    getReader(options: unknown = undefined): object {
      const slots = this.#slots;
      const mode = dictionary(options, 'getReader')['mode'];
      if (mode === undefined) return acquire(slots);
      if (domString(mode) !== 'byob') throw new TypeError(`getReader: the mode is "byob" or undefined, not "${domString(mode)}"`);
      return byteStreams().acquire(slots);
    }

    pipeThrough(transform: unknown, options: unknown = undefined): unknown {
      const slots = this.#slots;
      if (!isObject(transform)) throw new TypeError('pipeThrough: give { readable, writable }');
      const { readable } = transform as { readable?: unknown };
      if (!isStream(readable)) throw new TypeError('pipeThrough: readable must be a ReadableStream');
      const destination = writableOf((transform as { writable?: unknown }).writable, 'pipeThrough: writable');
      const given = pipeOptions(options);
      if (slots.reader !== undefined) throw new TypeError('pipeThrough: the stream is locked to a reader');
      if (destination.writer !== undefined) throw new TypeError('pipeThrough: the writable side is locked to a writer');
      pipes().pipeQuietly(slots, destination, given);
      return readable;
    }

    pipeTo(destination: unknown, options: unknown = undefined): Promise<undefined> {
      try {
        if (!isStream(this)) throw notA('ReadableStream');
        const into = writableOf(destination, 'pipeTo: the destination');
        const given = pipeOptions(options);
        if (this.#slots.reader !== undefined) throw new TypeError('pipeTo: the stream is locked to a reader');
        if (into.writer !== undefined) throw new TypeError('pipeTo: the destination is locked to a writer');
        return pipes().pipe(this.#slots, into, given);
      } catch (error) {
        return promiseReject(error);
      }
    }

    tee(): [ReadableStream, ReadableStream] { return tees().tee(this.#slots); }

    values(options: unknown = undefined): object {
      const slots = this.#slots;
      const preventCancel = preventCancelOf(options);
      if (slots.reader !== undefined) throw new TypeError('values: the stream is locked to a reader');
      return iterations().iterate(slots, preventCancel);
    }
  }
  finishInterface(ReadableStream, 'ReadableStream');
  defineProperty(ReadableStream, 'from', { enumerable: true });
  defineProperty(ReadableStream.prototype, Symbol.asyncIterator, { value: ReadableStream.prototype.values, writable: true, configurable: true });

  let isReader!: (value: unknown) => value is ReadableStreamDefaultReader;
  class ReadableStreamDefaultReader {
    readonly #slots: ReaderState;
    static { isReader = (value): value is ReadableStreamDefaultReader => isObject(value) && #slots in value; }
    constructor(stream: unknown) {
      if (!isStream(stream)) throw new TypeError('ReadableStreamDefaultReader: give a ReadableStream');
      const slots = slotsOf(stream);
      if (slots.reader !== undefined) throw new TypeError('the stream is locked to a reader');
      this.#slots = lockStream(slots, false);
    }
    get closed(): Promise<undefined> {
      return isReader(this) ? promiseFor(this.#slots.closed) : promiseReject(notA('ReadableStreamDefaultReader'));
    }
    cancel(reason: unknown = undefined): Promise<unknown> {
      if (!isReader(this)) return promiseReject(notA('ReadableStreamDefaultReader'));
      const { stream } = this.#slots;
      return stream === undefined ? promiseReject(new TypeError('cancel: the reader was released')) : cancelStream(stream, reason);
    }
    read(): Promise<IteratorResult<unknown>> {
      if (!isReader(this)) return promiseReject(notA('ReadableStreamDefaultReader'));
      const { stream } = this.#slots;
      return stream === undefined ? promiseReject(new TypeError('read: the reader was released')) : readResult(stream);
    }
    releaseLock(): void { releaseReader(this.#slots); }
  }
  finishInterface(ReadableStreamDefaultReader, 'ReadableStreamDefaultReader');

  function acquire(slots: ReadableState): ReadableStreamDefaultReader { return new ReadableStreamDefaultReader(slots.object); }

  function newSlots(): ReadableState {
    return { object: undefined as never, status: READABLE, error: undefined, disturbed: false, reader: undefined, controller: undefined as never };
  }
  function objectOver(slots: ReadableState): ReadableStream {
    building = slots;
    return new ReadableStream();
  }
  /** CreateReadableStream. */
  function create(start: Algorithm, pull: Algorithm, cancel: Algorithm, highWaterMark = 1, size?: (chunk: unknown) => number): ReadableState {
    const slots = newSlots();
    objectOver(slots);
    defaultControllers().setUp(slots, start, pull, cancel, highWaterMark, size);
    return slots;
  }
  /** CreateReadableByteStream. */
  function createBytes(start: Algorithm, pull: Algorithm, cancel: Algorithm, highWaterMark = 0): ReadableState {
    const slots = newSlots();
    objectOver(slots);
    byteStreams().setUp(slots, start, pull, cancel, highWaterMark, undefined);
    return slots;
  }
  return { ReadableStream, ReadableStreamDefaultReader, isStream, slotsOf, create, createBytes };
});

/** Web IDL's `[EnforceRange] unsigned long long`. */
export function wholeNumber(value: unknown, what: string): number {
  const number = Math.trunc(+(value as number));
  if (!(number >= 0 && number <= Number.MAX_SAFE_INTEGER)) throw new TypeError(`${what} must be a whole number of at least 0, not ${value as string}`);
  return number;
}

/** Calls `start` and then `started` as a job, or `failed` when its promise is rejected. What it throws at once is thrown. */
export function startWith(start: Algorithm, controller: unknown, started: () => void, failed: (reason: unknown) => void): void {
  upon(converted(start === undefined ? undefined : start(controller)), started, failed);
}
