// Streams of bytes (Streams standard, 4.5, 4.7, 4.8 and 4.10.11): a queue of pieces of buffers, and reads straight into a buffer.

import { bufferByteLength, bytesSet, bytesSlice, isView, promiseReject, SavedPromise, SavedUint8Array } from '../primordials.ts';
import { once } from '../lazy.ts';
import { dictionary, finishInterface, isObject } from '../webidl.ts';
import { bufferOf, bufferTransfer, elementBytes, isDetached, lengthOf, makerOf, offsetOf, type ViewMaker } from './buffers.ts';
import { type Algorithm, cancelStream, closeStream, errorStream, illegal, lockStream, notA, PromiseRead, readables, releaseReader, startWith, wholeNumber } from './readable.ts';
import {
  CLOSED, ERRORED, hasRequests, NO_CHUNK, READABLE, type ReadableController, type ReadableState, type ReadIntoRequest, type ReadRequest, type ReaderState,
} from './states.ts';
import { attempt, count, type Fifo, fifo, first, promiseFor, put, take, takeAll, upon } from './support.ts';

const FOR_DEFAULT = 0;
const FOR_BYOB = 1;
const FOR_NOBODY = 2;

/** A pull-into descriptor: a buffer to be filled. */
interface PullInto {
  buffer: ArrayBuffer;
  readonly bufferBytes: number;
  readonly offset: number;
  readonly length: number;
  filled: number;
  readonly least: number;
  readonly elementBytes: number;
  readonly make: ViewMaker;
  reader: number;
}
interface Piece { readonly buffer: ArrayBuffer; offset: number; length: number }

const lesser = (a: number, b: number): number => (a < b ? a : b);

export const byteStreams = once(() => {
  /** The slots, and the algorithms of 4.7.4 and 4.10.11 over them. */
  class ByteState implements ReadableController {
    object: object | undefined;
    readonly stream: ReadableState;
    readonly queue: Fifo<Piece> = fifo();
    total = 0;
    readonly highWaterMark: number;
    readonly allocateBytes: number | undefined;
    pull: Algorithm;
    cancelSource: Algorithm;
    pending: Fifo<PullInto> = fifo();
    request: RequestState | undefined;
    started = false;
    closeRequested = false;
    pulling = false;
    pullAgain = false;
    pulled: (() => void) | undefined;
    pullFailed: ((reason: unknown) => void) | undefined;

    constructor(stream: ReadableState, pull: Algorithm, cancel: Algorithm, highWaterMark: number, allocateBytes: number | undefined) {
      this.stream = stream;
      this.pull = pull;
      this.cancelSource = cancel;
      this.highWaterMark = highWaterMark;
      this.allocateBytes = allocateBytes;
    }

    desired(): number | null {
      const { status } = this.stream;
      return status === ERRORED ? null : status === CLOSED ? 0 : this.highWaterMark - this.total;
    }
    isOpen(): boolean { return !this.closeRequested && this.stream.status === READABLE; }

    /** ReadableByteStreamControllerShouldCallPull. */
    shouldPull(): boolean {
      if (!this.started || !this.isOpen()) return false;
      const into = this.stream.reader?.into;
      return hasRequests(this.stream) || (into !== undefined && count(into) > 0) || this.highWaterMark - this.total > 0;
    }
    callPull(): void {
      if (!this.shouldPull()) return;
      if (this.pulling) {
        this.pullAgain = true;
        return;
      }
      if (this.pull === undefined) return;
      this.pulling = true;
      this.pulled ??= () => {
        this.pulling = false;
        if (!this.pullAgain) return;
        this.pullAgain = false;
        this.callPull();
      };
      this.pullFailed ??= (reason) => this.error(reason);
      upon(attempt(this.pull, this.object), this.pulled, this.pullFailed);
    }
    clearAlgorithms(): void {
      this.pull = undefined;
      this.cancelSource = undefined;
    }
    clearQueue(): void {
      takeAll(this.queue);
      this.total = 0;
    }
    invalidateRequest(): void {
      const { request } = this;
      if (request === undefined) return;
      request.controller = undefined;
      request.view = undefined;
      this.request = undefined;
    }
    clearPending(): void {
      this.invalidateRequest();
      takeAll(this.pending);
    }
    shiftPending(): PullInto { return take(this.pending); }

    // What a stream asks of it (4.7.4).

    poll(): unknown {
      if (this.total === 0) return NO_CHUNK;
      const { buffer, offset, length } = take(this.queue);
      this.total -= length;
      this.drained();
      return new SavedUint8Array(buffer, offset, length);
    }
    wait(request: ReadRequest): void {
      const { allocateBytes } = this;
      if (allocateBytes !== undefined) {
        let buffer: ArrayBuffer;
        try {
          buffer = new SavedUint8Array(allocateBytes).buffer;
        } catch (error) {
          request.error(error);
          return;
        }
        put(this.pending, {
          buffer, bufferBytes: allocateBytes, offset: 0, length: allocateBytes, filled: 0, least: 1, elementBytes: 1, make: SavedUint8Array as ViewMaker, reader: FOR_DEFAULT,
        });
      }
      put((this.stream.reader as ReaderState).requests, request);
      this.callPull();
    }
    cancel(reason: unknown): unknown {
      this.clearPending();
      this.clearQueue();
      const result = attempt(this.cancelSource, reason);
      this.clearAlgorithms();
      return result;
    }
    release(): void {
      if (count(this.pending) === 0) return;
      const descriptor = first(this.pending);
      descriptor.reader = FOR_NOBODY;
      this.pending = fifo();
      put(this.pending, descriptor);
    }
    error(reason: unknown): void {
      if (this.stream.status !== READABLE) return;
      this.clearPending();
      this.clearQueue();
      this.clearAlgorithms();
      errorStream(this.stream, reason);
    }

    // The queue.

    /** ReadableByteStreamControllerHandleQueueDrain. */
    drained(): void {
      if (this.total === 0 && this.closeRequested) {
        this.clearAlgorithms();
        closeStream(this.stream);
      } else this.callPull();
    }
    append(buffer: ArrayBuffer, offset: number, length: number): void {
      put(this.queue, { buffer, offset, length });
      this.total += length;
    }
    /** ReadableByteStreamControllerEnqueueClonedChunkToQueue. */
    appendCopy(buffer: ArrayBuffer, offset: number, length: number): void {
      let copy: Uint8Array<ArrayBuffer>;
      try {
        copy = bytesSlice(new SavedUint8Array(buffer, offset, length));
      } catch (error) {
        this.error(error);
        throw error;
      }
      this.append(copy.buffer, 0, length);
    }
    /** ReadableByteStreamControllerEnqueueDetachedPullIntoToQueue. */
    appendAbandoned(descriptor: PullInto): void {
      if (descriptor.filled > 0) this.appendCopy(descriptor.buffer, descriptor.offset, descriptor.filled);
      this.shiftPending();
    }

    // Descriptors.

    /** ReadableByteStreamControllerFillPullIntoDescriptorFromQueue: whether it can be handed out. */
    fill(descriptor: PullInto): boolean {
      const most = lesser(this.total, descriptor.length - descriptor.filled);
      const filledMost = descriptor.filled + most;
      const aligned = filledMost - (filledMost % descriptor.elementBytes);
      const isReady = aligned >= descriptor.least;
      let remaining = isReady ? aligned - descriptor.filled : most;
      const into = new SavedUint8Array(descriptor.buffer, descriptor.offset, descriptor.length);
      while (remaining > 0) {
        const piece = first(this.queue);
        const bytes = lesser(remaining, piece.length);
        bytesSet(into, new SavedUint8Array(piece.buffer, piece.offset, bytes), descriptor.filled);
        if (piece.length === bytes) take(this.queue);
        else {
          piece.offset += bytes;
          piece.length -= bytes;
        }
        this.total -= bytes;
        descriptor.filled += bytes;
        remaining -= bytes;
      }
      return isReady;
    }
    /** ReadableByteStreamControllerCommitPullIntoDescriptor. */
    commit(descriptor: PullInto): void {
      const { make, reader } = descriptor;
      const view = new make(bufferTransfer(descriptor.buffer), descriptor.offset, descriptor.filled / descriptor.elementBytes);
      const { requests, into } = this.stream.reader as ReaderState;
      const isDone = this.stream.status === CLOSED;
      if (reader === FOR_DEFAULT) {
        const request = take(requests);
        if (isDone) request.close();
        else request.chunk(view);
        return;
      }
      const request = take(into as Fifo<ReadIntoRequest>);
      if (isDone) request.close(view);
      else request.chunk(view);
    }
    /** ReadableByteStreamControllerProcessPullIntoDescriptorsUsingQueue, and the commits that follow it everywhere. */
    fillPending(before: PullInto | undefined): void {
      const filled: PullInto[] = before === undefined ? [] : [before];
      while (count(this.pending) > 0 && this.total > 0) {
        const descriptor = first(this.pending);
        if (!this.fill(descriptor)) break;
        this.shiftPending();
        filled[filled.length] = descriptor;
      }
      for (let i = 0; i < filled.length; i++) this.commit(filled[i] as PullInto);
    }

    // What the source calls.

    close(): void {
      if (!this.isOpen()) return;
      if (this.total > 0) {
        this.closeRequested = true;
        return;
      }
      if (count(this.pending) > 0) {
        const { filled, elementBytes } = first(this.pending);
        if (filled % elementBytes !== 0) {
          const error = new TypeError('close: the last element that was read is not complete');
          this.error(error);
          throw error;
        }
      }
      this.clearAlgorithms();
      closeStream(this.stream);
    }

    enqueue(chunk: ArrayBufferView): void {
      if (!this.isOpen()) return;
      const given = bufferOf(chunk);
      const offset = offsetOf(chunk);
      const length = lengthOf(chunk);
      if (isDetached(given)) throw new TypeError('enqueue: the buffer of the chunk is detached');
      const buffer = bufferTransfer(given);
      if (count(this.pending) > 0) {
        const descriptor = first(this.pending);
        if (isDetached(descriptor.buffer)) throw new TypeError('enqueue: the buffer of the byobRequest was detached');
        this.invalidateRequest();
        descriptor.buffer = bufferTransfer(descriptor.buffer);
        if (descriptor.reader === FOR_NOBODY) this.appendAbandoned(descriptor);
      }
      const { reader } = this.stream;
      if (reader !== undefined && reader.into === undefined) {
        // ReadableByteStreamControllerProcessReadRequestsUsingQueue.
        while (count(reader.requests) > 0 && this.total > 0) {
          const request = take(reader.requests);
          request.chunk(this.poll());
        }
        if (count(reader.requests) === 0) this.append(buffer, offset, length);
        else {
          if (count(this.pending) > 0) this.shiftPending();
          take(reader.requests).chunk(new SavedUint8Array(buffer, offset, length));
        }
      } else {
        this.append(buffer, offset, length);
        if (reader !== undefined) this.fillPending(undefined);
      }
      this.callPull();
    }

    /** ReadableByteStreamControllerRespond. */
    respond(bytes: number): void {
      const descriptor = first(this.pending);
      if (this.stream.status === CLOSED) {
        if (bytes !== 0) throw new TypeError('respond: the stream is closed; only 0 bytes can be given');
      } else {
        if (bytes === 0) throw new TypeError('respond: 0 bytes can be given only when the stream is closed');
        if (descriptor.filled + bytes > descriptor.length) throw new RangeError('respond: there is no room for so many bytes');
      }
      descriptor.buffer = bufferTransfer(descriptor.buffer);
      this.respondWith(bytes);
    }
    respondWithView(view: ArrayBufferView): void {
      const descriptor = first(this.pending);
      const length = lengthOf(view);
      if (this.stream.status === CLOSED) {
        if (length !== 0) throw new TypeError('respondWithNewView: the stream is closed; only an empty view can be given');
      } else if (length === 0) throw new TypeError('respondWithNewView: an empty view can be given only when the stream is closed');
      const buffer = bufferOf(view);
      if (descriptor.offset + descriptor.filled !== offsetOf(view)) throw new RangeError('respondWithNewView: the view begins elsewhere than the request');
      if (descriptor.bufferBytes !== bufferByteLength(buffer)) throw new RangeError('respondWithNewView: the buffer has another length than that of the request');
      if (descriptor.filled + length > descriptor.length) throw new RangeError('respondWithNewView: the view is longer than the request');
      descriptor.buffer = bufferTransfer(buffer);
      this.respondWith(length);
    }
    /** ReadableByteStreamControllerRespondInternal. */
    private respondWith(bytes: number): void {
      const descriptor = first(this.pending);
      this.invalidateRequest();
      if (this.stream.status === CLOSED) this.respondClosed(descriptor);
      else this.respondReadable(bytes, descriptor);
      this.callPull();
    }
    private respondClosed(descriptor: PullInto): void {
      if (descriptor.reader === FOR_NOBODY) this.shiftPending();
      const into = this.stream.reader?.into;
      if (into === undefined) return;
      const filled: PullInto[] = [];
      while (filled.length < count(into)) filled[filled.length] = this.shiftPending();
      for (let i = 0; i < filled.length; i++) this.commit(filled[i] as PullInto);
    }
    private respondReadable(bytes: number, descriptor: PullInto): void {
      descriptor.filled += bytes;
      if (descriptor.reader === FOR_NOBODY) {
        this.appendAbandoned(descriptor);
        this.fillPending(undefined);
        return;
      }
      if (descriptor.filled < descriptor.least) return;
      this.shiftPending();
      const rest = descriptor.filled % descriptor.elementBytes;
      if (rest > 0) {
        this.appendCopy(descriptor.buffer, descriptor.offset + descriptor.filled - rest, rest);
        descriptor.filled -= rest;
      }
      this.fillPending(descriptor);
    }

    /** ReadableByteStreamControllerPullInto. */
    readInto(view: ArrayBufferView, least: number, request: ReadIntoRequest): void {
      const make = makerOf(view);
      const bytes = elementBytes(make);
      const offset = offsetOf(view);
      const length = lengthOf(view);
      let buffer: ArrayBuffer;
      try {
        buffer = bufferTransfer(bufferOf(view));
      } catch (error) {
        request.error(error);
        return;
      }
      const descriptor: PullInto = {
        buffer, bufferBytes: bufferByteLength(buffer), offset, length, filled: 0, least: least * bytes, elementBytes: bytes, make, reader: FOR_BYOB,
      };
      const into = (this.stream.reader as ReaderState).into as Fifo<ReadIntoRequest>;
      if (count(this.pending) > 0) {
        put(this.pending, descriptor);
        put(into, request);
        return;
      }
      if (this.stream.status === CLOSED) {
        request.close(new make(buffer, offset, 0));
        return;
      }
      if (this.total > 0) {
        if (this.fill(descriptor)) {
          const filled = new make(bufferTransfer(descriptor.buffer), offset, descriptor.filled / bytes);
          this.drained();
          request.chunk(filled);
          return;
        }
        if (this.closeRequested) {
          const error = new TypeError('the stream ended before the last element was complete');
          this.error(error);
          request.error(error);
          return;
        }
      }
      put(this.pending, descriptor);
      put(into, request);
      this.callPull();
    }

    /** ReadableByteStreamControllerGetBYOBRequest. */
    currentRequest(): RequestState | undefined {
      if (this.request === undefined && count(this.pending) > 0) {
        const { buffer, offset, filled, length } = first(this.pending);
        const request: RequestState = { controller: this, view: new SavedUint8Array(buffer, offset + filled, length - filled), object: undefined };
        buildingRequest = request;
        request.object = new ReadableStreamBYOBRequest();
        this.request = request;
      }
      return this.request;
    }
  }

  interface RequestState { controller: ByteState | undefined; view: Uint8Array<ArrayBuffer> | undefined; object: ReadableStreamBYOBRequest | undefined }

  let building: ByteState | undefined;
  class ReadableByteStreamController {
    readonly #slots: ByteState;
    constructor() {
      if (building === undefined) illegal();
      this.#slots = building;
      building = undefined;
    }
    get byobRequest(): ReadableStreamBYOBRequest | null { return this.#slots.currentRequest()?.object ?? null; }
    get desiredSize(): number | null { return this.#slots.desired(); }
    close(): void {
      if (!this.#slots.isOpen()) throw new TypeError('close: the stream is closed already, or has failed');
      this.#slots.close();
    }
    enqueue(chunk: unknown): void {
      const slots = this.#slots;
      if (!isView(chunk)) throw new TypeError('enqueue: the chunk must be a view of an ArrayBuffer');
      if (lengthOf(chunk) === 0) throw new TypeError('enqueue: the chunk is empty');
      if (!slots.isOpen()) throw new TypeError('enqueue: the stream is closed, or has failed');
      slots.enqueue(chunk);
    }
    error(reason: unknown = undefined): void { this.#slots.error(reason); }
  }
  finishInterface(ReadableByteStreamController, 'ReadableByteStreamController');

  let buildingRequest: RequestState | undefined;
  class ReadableStreamBYOBRequest {
    readonly #slots: RequestState;
    constructor() {
      if (buildingRequest === undefined) illegal();
      this.#slots = buildingRequest;
      buildingRequest = undefined;
    }
    get view(): Uint8Array | null { return this.#slots.view ?? null; }
    respond(bytesWritten: unknown): void {
      const slots = this.#slots;
      if (arguments.length === 0) throw new TypeError('respond: give the number of bytes');
      const bytes = wholeNumber(bytesWritten, 'respond: the number of bytes');
      const { controller, view } = slots;
      if (controller === undefined || view === undefined) throw new TypeError('respond: the request has been answered');
      if (isDetached(bufferOf(view))) throw new TypeError('respond: the buffer of the request is detached');
      controller.respond(bytes);
    }
    respondWithNewView(view: unknown): void {
      const { controller } = this.#slots;
      if (!isView(view)) throw new TypeError('respondWithNewView: give a view of an ArrayBuffer');
      if (controller === undefined) throw new TypeError('respondWithNewView: the request has been answered');
      if (isDetached(bufferOf(view))) throw new TypeError('respondWithNewView: the buffer of the view is detached');
      controller.respondWithView(view);
    }
  }
  finishInterface(ReadableStreamBYOBRequest, 'ReadableStreamBYOBRequest');

  /** ReadableStreamBYOBReaderRead. */
  function readInto(stream: ReadableState, view: ArrayBufferView, least: number, request: ReadIntoRequest): void {
    stream.disturbed = true;
    if (stream.status === ERRORED) request.error(stream.error);
    else (stream.controller as ByteState).readInto(view, least, request);
  }

  /** The checks of 4.5.3 read(view, options). */
  function checkView(view: unknown, options: unknown): number {
    if (!isView(view)) throw new TypeError('read: give a view of an ArrayBuffer');
    const given = dictionary(options, 'read')['min'];
    const least = given === undefined ? 1 : wholeNumber(given, 'read: min');
    if (lengthOf(view) === 0) throw new TypeError('read: the view is empty');
    if (isDetached(bufferOf(view))) throw new TypeError('read: the buffer of the view is detached');
    if (least === 0) throw new TypeError('read: min must be at least 1');
    const elements = lengthOf(view) / elementBytes(makerOf(view));
    if (least > elements) throw new RangeError(`read: min is ${least}, but the view has room for ${elements}`);
    return least;
  }

  let isReader!: (value: unknown) => value is ReadableStreamBYOBReader;
  class ReadableStreamBYOBReader {
    readonly #slots: ReaderState;
    static { isReader = (value): value is ReadableStreamBYOBReader => isObject(value) && #slots in value; }
    constructor(stream: unknown) {
      const { isStream, slotsOf } = readables();
      if (!isStream(stream)) throw new TypeError('ReadableStreamBYOBReader: give a ReadableStream');
      const slots = slotsOf(stream);
      if (slots.reader !== undefined) throw new TypeError('the stream is locked to a reader');
      if (!(slots.controller instanceof ByteState)) throw new TypeError('a BYOB reader needs a stream of bytes (type: "bytes")');
      this.#slots = lockStream(slots, true);
    }
    get closed(): Promise<undefined> {
      return isReader(this) ? promiseFor(this.#slots.closed) : promiseReject(notA('ReadableStreamBYOBReader'));
    }
    cancel(reason: unknown = undefined): Promise<unknown> {
      if (!isReader(this)) return promiseReject(notA('ReadableStreamBYOBReader'));
      const { stream } = this.#slots;
      return stream === undefined ? promiseReject(new TypeError('cancel: the reader was released')) : cancelStream(stream, reason);
    }
    read(view: unknown, options: unknown = undefined): Promise<IteratorResult<unknown>> {
      let least: number;
      try {
        if (!isReader(this)) throw notA('ReadableStreamBYOBReader');
        least = checkView(view, options);
        if (this.#slots.stream === undefined) throw new TypeError('read: the reader was released');
      } catch (error) {
        return promiseReject(error);
      }
      const stream = this.#slots.stream;
      return new SavedPromise((resolve, reject) => readInto(stream, view as ArrayBufferView, least, new PromiseRead(resolve, reject)));
    }
    releaseLock(): void { releaseReader(this.#slots); }
  }
  finishInterface(ReadableStreamBYOBReader, 'ReadableStreamBYOBReader');

  function acquire(slots: ReadableState): ReadableStreamBYOBReader { return new ReadableStreamBYOBReader(slots.object); }
  function isByteState(controller: ReadableController): controller is ByteState { return controller instanceof ByteState; }

  /** SetUpReadableByteStreamController. */
  function setUp(stream: ReadableState, start: Algorithm, pull: Algorithm, cancel: Algorithm, highWaterMark: number, allocateBytes: number | undefined): ByteState {
    if (allocateBytes === 0) throw new TypeError('ReadableStream: autoAllocateChunkSize must be at least 1');
    const slots = new ByteState(stream, pull, cancel, highWaterMark, allocateBytes);
    building = slots;
    slots.object = new ReadableByteStreamController();
    stream.controller = slots;
    const started = (): void => {
      slots.started = true;
      slots.callPull();
    };
    startWith(start, slots.object, started, (reason) => slots.error(reason));
    return slots;
  }
  return { ReadableByteStreamController, ReadableStreamBYOBReader, ReadableStreamBYOBRequest, acquire, isByteState, readInto, setUp };
});

export type ByteState = ReturnType<ReturnType<typeof byteStreams>['setUp']>;
