// WritableStream with its writer and controller (Streams standard, 5).

import { promiseReject, promiseResolve } from '../primordials.ts';
import { once } from '../lazy.ts';
import { finishInterface, isObject } from '../webidl.ts';
import { type AbortSignal, abortSignal, newSignal } from '../web/abort.ts';
import { type Algorithm, illegal, memberOf, notA, startWith } from './readable.ts';
import { checkSize, highWaterMarkOf, type Size, sizeOf, strategyOf } from './strategies.ts';
import {
  attempt, clear, count, type Fifo, fifo, first, fulfil, isPending, type Later, later, laterFulfilled, laterRejected, promiseFor, put, putSized, type Queue, queue,
  reject, take, takeAll, takeSized, upon,
} from './support.ts';

export const WRITABLE = 0;
export const ERRORING = 1;
export const FAILED = 2;
export const FINISHED = 3;

export interface WriterState { stream: WritableState | undefined; closed: Later; ready: Later }

export interface WritableState {
  object: object;
  status: number;
  error: unknown;
  writer: WriterState | undefined;
  controller: WritableController;
  /** Of the chunks in the queue, in order; the first one may be in flight. */
  readonly writes: Fifo<Later>;
  writing: Later | undefined;
  closeRequest: Later | undefined;
  closing: Later | undefined;
  abort: { readonly done: Later; readonly reason: unknown; readonly wasErroring: boolean } | undefined;
  backpressure: boolean;
}

export interface WritableController {
  object: object | undefined;
  started: boolean;
  desired(): number;
  /** What a chunk counts; an error of `size` fails the stream. */
  sizeOf(chunk: unknown): number;
  write(chunk: unknown, size: number): void;
  close(): void;
  abort(reason: unknown): unknown;
  /** [[ErrorSteps]]. */
  drop(): void;
  /** WritableStreamDefaultControllerErrorIfNeeded. */
  error(reason: unknown): void;
  signalAbort(reason: unknown): void;
}

/** WritableStreamCloseQueuedOrInFlight. */
export function isClosing(stream: WritableState): boolean { return stream.closeRequest !== undefined || stream.closing !== undefined; }

export const writables = once(() => {
  let slotsOf!: (stream: WritableStream) => WritableState;
  let isStream!: (value: unknown) => value is WritableStream;
  let building: WritableState | undefined;

  // 5.5.1 and 5.5.2: operations on the stream.

  /** WritableStreamAbort. */
  function abortStream(stream: WritableState, reason: unknown): Promise<unknown> {
    if (stream.status === FINISHED || stream.status === FAILED) return promiseResolve(undefined);
    stream.controller.signalAbort(reason);
    // The signal's listeners are the applet's.
    const status = stream.status as number;
    if (status === FINISHED || status === FAILED) return promiseResolve(undefined);
    if (stream.abort !== undefined) return promiseFor(stream.abort.done);
    const wasErroring = status === ERRORING;
    const done = later(false);
    const promise = promiseFor(done);
    stream.abort = { done, reason: wasErroring ? undefined : reason, wasErroring };
    if (!wasErroring) startErroring(stream, reason);
    return promise;
  }

  /** WritableStreamClose. */
  function closeStream(stream: WritableState): Later {
    const request = (stream.closeRequest = later(false));
    const { writer } = stream;
    if (writer !== undefined && stream.backpressure && stream.status === WRITABLE) fulfil(writer.ready);
    stream.controller.close();
    return request;
  }

  function closeOrReject(stream: WritableState): Promise<unknown> {
    if (stream.status === FINISHED || stream.status === FAILED) return promiseReject(new TypeError('close: the stream is closed already, or has failed'));
    if (isClosing(stream)) return promiseReject(new TypeError('close: the stream is being closed'));
    return promiseFor(closeStream(stream));
  }

  function startErroring(stream: WritableState, reason: unknown): void {
    stream.status = ERRORING;
    stream.error = reason;
    if (stream.writer !== undefined) failReady(stream.writer, reason);
    if (stream.writing === undefined && stream.closing === undefined && stream.controller.started) finishErroring(stream);
  }

  function finishErroring(stream: WritableState): void {
    stream.status = FAILED;
    stream.controller.drop();
    const writes = takeAll(stream.writes);
    while (count(writes) > 0) reject(take(writes), stream.error);
    const { abort } = stream;
    if (abort === undefined) {
      rejectClosing(stream);
      return;
    }
    stream.abort = undefined;
    if (abort.wasErroring) {
      reject(abort.done, stream.error);
      rejectClosing(stream);
      return;
    }
    upon(stream.controller.abort(abort.reason), () => {
      fulfil(abort.done);
      rejectClosing(stream);
    }, (error) => {
      reject(abort.done, error);
      rejectClosing(stream);
    });
  }

  /** WritableStreamRejectCloseAndClosedPromiseIfNeeded. */
  function rejectClosing(stream: WritableState): void {
    if (stream.closeRequest !== undefined) {
      reject(stream.closeRequest, stream.error);
      stream.closeRequest = undefined;
    }
    if (stream.writer !== undefined) reject(stream.writer.closed, stream.error);
  }

  /** WritableStreamDealWithRejection. */
  function dealWith(stream: WritableState, reason: unknown): void {
    if (stream.status === WRITABLE) startErroring(stream, reason);
    else finishErroring(stream);
  }

  /** WritableStreamFinishInFlightClose. */
  function finishClose(stream: WritableState): void {
    fulfil(stream.closing as Later);
    stream.closing = undefined;
    if (stream.status === ERRORING) {
      stream.error = undefined;
      if (stream.abort !== undefined) {
        fulfil(stream.abort.done);
        stream.abort = undefined;
      }
    }
    stream.status = FINISHED;
    if (stream.writer !== undefined) fulfil(stream.writer.closed);
  }

  /** WritableStreamFinishInFlightCloseWithError. */
  function failClose(stream: WritableState, reason: unknown): void {
    reject(stream.closing as Later, reason);
    stream.closing = undefined;
    if (stream.abort !== undefined) {
      reject(stream.abort.done, reason);
      stream.abort = undefined;
    }
    dealWith(stream, reason);
  }

  /** WritableStreamUpdateBackpressure. */
  function updateBackpressure(stream: WritableState, backpressure: boolean): void {
    const { writer } = stream;
    if (writer !== undefined && backpressure !== stream.backpressure) {
      if (backpressure) writer.ready = later(true);
      else fulfil(writer.ready);
    }
    stream.backpressure = backpressure;
  }

  // 5.5.3: operations on the writer.

  function failReady(writer: WriterState, reason: unknown): void {
    if (isPending(writer.ready)) reject(writer.ready, reason);
    else writer.ready = laterRejected(reason);
  }

  /** SetUpWritableStreamDefaultWriter. */
  function lock(stream: WritableState): WriterState {
    const { status, error } = stream;
    const ready = status === WRITABLE ? (!isClosing(stream) && stream.backpressure ? later(true) : laterFulfilled()) : status === FINISHED ? laterFulfilled() : laterRejected(error);
    const closed = status === FINISHED ? laterFulfilled() : status === FAILED ? laterRejected(error) : later(true);
    return (stream.writer = { stream, closed, ready });
  }

  /** WritableStreamDefaultWriterRelease. */
  function release(writer: WriterState): void {
    const { stream } = writer;
    if (stream === undefined) return;
    const reason = new TypeError('the writer was released');
    failReady(writer, reason);
    if (isPending(writer.closed)) reject(writer.closed, reason);
    else writer.closed = laterRejected(reason);
    stream.writer = undefined;
    writer.stream = undefined;
  }

  /** WritableStreamDefaultWriterWrite. `isQuiet`: nobody is told when the write fails. */
  function write(writer: WriterState, chunk: unknown, isQuiet: boolean): Later {
    const stream = writer.stream as WritableState;
    const size = stream.controller.sizeOf(chunk);
    const request = later(isQuiet);
    // `size` is the applet's, and may have changed all this.
    if (stream !== writer.stream || stream.status !== WRITABLE || isClosing(stream)) {
      const hasFailed = stream === writer.stream && (stream.status === FAILED || (stream.status === ERRORING && !isClosing(stream)));
      reject(request, hasFailed ? stream.error : new TypeError('write: the stream is closed or is being closed, or the writer was released'));
      return request;
    }
    put(stream.writes, request);
    stream.controller.write(chunk, size);
    return request;
  }

  /** WritableStreamDefaultWriterGetDesiredSize. */
  function desiredSize(stream: WritableState): number | null {
    return stream.status === FAILED || stream.status === ERRORING ? null : stream.status === FINISHED ? 0 : stream.controller.desired();
  }

  /** The slots of a controller, and the algorithms of 5.4.4 and 5.5.4 over them. */
  class ControllerState implements WritableController {
    object: object | undefined;
    readonly stream: WritableState;
    readonly queue: Queue;
    readonly highWaterMark: number;
    started = false;
    size: Size | undefined;
    writeSink: Algorithm;
    closeSink: Algorithm;
    abortSink: Algorithm;
    signal: AbortSignal | undefined;
    aborted: { readonly reason: unknown } | undefined;
    /** Reactions to what `write` returned, the same for every chunk. */
    written: (() => void) | undefined;
    writeFailed: ((reason: unknown) => void) | undefined;

    constructor(stream: WritableState, write: Algorithm, close: Algorithm, abort: Algorithm, highWaterMark: number, size: Size | undefined) {
      this.stream = stream;
      this.queue = queue(size !== undefined);
      this.highWaterMark = highWaterMark;
      this.size = size;
      this.writeSink = write;
      this.closeSink = close;
      this.abortSink = abort;
    }
    clearAlgorithms(): void {
      this.writeSink = undefined;
      this.closeSink = undefined;
      this.abortSink = undefined;
      this.size = undefined;
    }
    desired(): number { return this.highWaterMark - this.queue.total; }
    sizeOf(chunk: unknown): number {
      if (this.size === undefined) return 1;
      try {
        return this.size(chunk);
      } catch (error) {
        this.error(error);
        return 1;
      }
    }
    write(chunk: unknown, size: number): void {
      try {
        checkSize(size);
      } catch (error) {
        this.error(error);
        return;
      }
      putSized(this.queue, chunk, size);
      const { stream } = this;
      if (!isClosing(stream) && stream.status === WRITABLE) updateBackpressure(stream, this.desired() <= 0);
      this.advance();
    }
    close(): void { this.advance(); }

    /** WritableStreamDefaultControllerAdvanceQueueIfNeeded. The close request stands for the sentinel at the end of the queue. */
    advance(): void {
      const { stream } = this;
      if (!this.started || stream.writing !== undefined) return;
      if (stream.status === ERRORING) {
        if (stream.closing === undefined) finishErroring(stream);
        return;
      }
      if (stream.status !== WRITABLE) return;
      if (count(this.queue.chunks) > 0) this.process(first(this.queue.chunks));
      else if (stream.closeRequest !== undefined) this.processClose();
    }

    /** WritableStreamDefaultControllerProcessWrite. */
    process(chunk: unknown): void {
      const { stream } = this;
      stream.writing = take(stream.writes);
      this.written ??= () => {
        fulfil(stream.writing as Later);
        stream.writing = undefined;
        takeSized(this.queue);
        if (!isClosing(stream) && stream.status === WRITABLE) updateBackpressure(stream, this.desired() <= 0);
        this.advance();
      };
      this.writeFailed ??= (reason) => {
        if (stream.status === WRITABLE) this.clearAlgorithms();
        reject(stream.writing as Later, reason);
        stream.writing = undefined;
        dealWith(stream, reason);
      };
      upon(attempt(this.writeSink, chunk, this.object), this.written, this.writeFailed);
    }

    processClose(): void {
      const { stream } = this;
      stream.closing = stream.closeRequest;
      stream.closeRequest = undefined;
      const result = attempt(this.closeSink);
      this.clearAlgorithms();
      upon(result, () => finishClose(stream), (reason) => failClose(stream, reason));
    }

    abort(reason: unknown): unknown {
      const result = attempt(this.abortSink, reason);
      this.clearAlgorithms();
      return result;
    }
    drop(): void { clear(this.queue); }
    error(reason: unknown): void {
      if (this.stream.status !== WRITABLE) return;
      this.clearAlgorithms();
      startErroring(this.stream, reason);
    }
    signalAbort(reason: unknown): void {
      this.aborted ??= { reason };
      if (this.signal !== undefined) abortSignal(this.signal, reason);
    }
    /** Made when it is first asked for. */
    getSignal(): AbortSignal {
      if (this.signal === undefined) {
        this.signal = newSignal();
        if (this.aborted !== undefined) abortSignal(this.signal, this.aborted.reason);
      }
      return this.signal;
    }
  }

  class WritableStream {
    readonly #slots: WritableState;
    static {
      slotsOf = (stream) => stream.#slots;
      isStream = (value): value is WritableStream => isObject(value) && #slots in value;
    }
    constructor(underlyingSink: unknown = undefined, strategy: unknown = undefined) {
      if (building !== undefined) {
        this.#slots = building;
        building = undefined;
        this.#slots.object = this;
        return;
      }
      if (underlyingSink !== undefined && !isObject(underlyingSink)) throw new TypeError('WritableStream: the underlying sink must be an object');
      this.#slots = newSlots();
      this.#slots.object = this;
      const given = strategyOf(strategy, 'WritableStream');
      const sink = (underlyingSink ?? { __proto__: null }) as Record<string, unknown>;
      const abort = memberOf(sink, 'abort', 'WritableStream');
      const close = memberOf(sink, 'close', 'WritableStream', 0);
      const start = memberOf(sink, 'start', 'WritableStream');
      const { type } = sink;
      const write = memberOf(sink, 'write', 'WritableStream', 2);
      if (type !== undefined) throw new RangeError('WritableStream: there are no types of sinks');
      const size = sizeOf(given);
      setUp(this.#slots, start, write, close, abort, highWaterMarkOf(given, 1), size);
    }
    get locked(): boolean { return this.#slots.writer !== undefined; }
    abort(reason: unknown = undefined): Promise<unknown> {
      if (!isStream(this)) return promiseReject(notA('WritableStream'));
      if (this.#slots.writer !== undefined) return promiseReject(new TypeError('abort: the stream is locked to a writer'));
      return abortStream(this.#slots, reason);
    }
    close(): Promise<unknown> {
      if (!isStream(this)) return promiseReject(notA('WritableStream'));
      if (this.#slots.writer !== undefined) return promiseReject(new TypeError('close: the stream is locked to a writer'));
      return closeOrReject(this.#slots);
    }
    getWriter(): WritableStreamDefaultWriter {
      void this.#slots;
      return new WritableStreamDefaultWriter(this);
    }
  }
  finishInterface(WritableStream, 'WritableStream');

  let isWriter!: (value: unknown) => value is WritableStreamDefaultWriter;
  class WritableStreamDefaultWriter {
    readonly #slots: WriterState;
    static { isWriter = (value): value is WritableStreamDefaultWriter => isObject(value) && #slots in value; }
    constructor(stream: unknown) {
      if (!isStream(stream)) throw new TypeError('WritableStreamDefaultWriter: give a WritableStream');
      const slots = slotsOf(stream);
      if (slots.writer !== undefined) throw new TypeError('the stream is locked to a writer');
      this.#slots = lock(slots);
    }
    get closed(): Promise<undefined> {
      return isWriter(this) ? promiseFor(this.#slots.closed) : promiseReject(notA('WritableStreamDefaultWriter'));
    }
    get desiredSize(): number | null {
      const { stream } = this.#slots;
      if (stream === undefined) throw new TypeError('desiredSize: the writer was released');
      return desiredSize(stream);
    }
    get ready(): Promise<undefined> {
      return isWriter(this) ? promiseFor(this.#slots.ready) : promiseReject(notA('WritableStreamDefaultWriter'));
    }
    abort(reason: unknown = undefined): Promise<unknown> {
      if (!isWriter(this)) return promiseReject(notA('WritableStreamDefaultWriter'));
      const { stream } = this.#slots;
      return stream === undefined ? promiseReject(new TypeError('abort: the writer was released')) : abortStream(stream, reason);
    }
    close(): Promise<unknown> {
      if (!isWriter(this)) return promiseReject(notA('WritableStreamDefaultWriter'));
      const { stream } = this.#slots;
      return stream === undefined ? promiseReject(new TypeError('close: the writer was released')) : closeOrReject(stream);
    }
    releaseLock(): void { release(this.#slots); }
    write(chunk: unknown = undefined): Promise<undefined> {
      if (!isWriter(this)) return promiseReject(notA('WritableStreamDefaultWriter'));
      if (this.#slots.stream === undefined) return promiseReject(new TypeError('write: the writer was released'));
      return promiseFor(write(this.#slots, chunk, false));
    }
  }
  finishInterface(WritableStreamDefaultWriter, 'WritableStreamDefaultWriter');

  let buildingController: ControllerState | undefined;
  class WritableStreamDefaultController {
    readonly #slots: ControllerState;
    constructor() {
      if (buildingController === undefined) illegal();
      this.#slots = buildingController;
      buildingController = undefined;
    }
    get signal(): AbortSignal { return this.#slots.getSignal(); }
    error(reason: unknown = undefined): void { this.#slots.error(reason); }
  }
  finishInterface(WritableStreamDefaultController, 'WritableStreamDefaultController');

  function newSlots(): WritableState {
    return {
      object: undefined as never, status: WRITABLE, error: undefined, writer: undefined, controller: undefined as never, writes: fifo(), writing: undefined,
      closeRequest: undefined, closing: undefined, abort: undefined, backpressure: false,
    };
  }

  /** SetUpWritableStreamDefaultController. */
  function setUp(
    stream: WritableState, start: Algorithm, write: Algorithm, close: Algorithm, abort: Algorithm, highWaterMark: number, size: Size | undefined,
  ): void {
    const slots = new ControllerState(stream, write, close, abort, highWaterMark, size);
    buildingController = slots;
    slots.object = new WritableStreamDefaultController();
    stream.controller = slots;
    updateBackpressure(stream, slots.desired() <= 0);
    const started = (): void => {
      slots.started = true;
      slots.advance();
    };
    startWith(start, slots.object, started, (reason) => {
      slots.started = true;
      dealWith(stream, reason);
    });
  }

  /** CreateWritableStream. */
  function create(start: Algorithm, write: Algorithm, close: Algorithm, abort: Algorithm, highWaterMark: number, size: Size | undefined): WritableState {
    const slots = newSlots();
    building = slots;
    void new WritableStream();
    setUp(slots, start, write, close, abort, highWaterMark, size);
    return slots;
  }
  function stateOf(value: unknown): WritableState | undefined { return isStream(value) ? slotsOf(value) : undefined; }

  return {
    WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController,
    abortStream, closeStream, create, desiredSize, lock, release, stateOf, updateBackpressure, write,
  };
});
