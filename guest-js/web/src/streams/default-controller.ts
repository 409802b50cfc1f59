// ReadableStreamDefaultController (Streams standard, 4.6): a queue of values.

import { once } from '../lazy.ts';
import { finishInterface } from '../webidl.ts';
import { type Algorithm, closeStream, errorStream, illegal, startWith } from './readable.ts';
import { CLOSED, ERRORED, hasRequests, NO_CHUNK, READABLE, type ReadableController, type ReadableState, type ReadRequest, type ReaderState } from './states.ts';
import { checkSize, type Size } from './strategies.ts';
import { attempt, clear, count, put, putSized, type Queue, queue, take, takeSized, upon } from './support.ts';

export const defaultControllers = once(() => {
  /** The slots, and the algorithms of 4.6.4 and 4.10.1 over them. */
  class DefaultState implements ReadableController {
    object: object | undefined;
    readonly stream: ReadableState;
    readonly queue: Queue;
    readonly highWaterMark: number;
    size: Size | undefined;
    pull: Algorithm;
    cancelSource: Algorithm;
    started = false;
    closeRequested = false;
    pulling = false;
    pullAgain = false;
    /** Reactions to what `pull` returned, the same for every chunk. */
    pulled: (() => void) | undefined;
    pullFailed: ((reason: unknown) => void) | undefined;

    constructor(stream: ReadableState, pull: Algorithm, cancel: Algorithm, highWaterMark: number, size: Size | undefined) {
      this.stream = stream;
      this.queue = queue(size !== undefined);
      this.highWaterMark = highWaterMark;
      this.size = size;
      this.pull = pull;
      this.cancelSource = cancel;
    }

    desired(): number | null {
      const { status } = this.stream;
      return status === ERRORED ? null : status === CLOSED ? 0 : this.highWaterMark - this.queue.total;
    }
    isOpen(): boolean { return !this.closeRequested && this.stream.status === READABLE; }

    /** ReadableStreamDefaultControllerShouldCallPull. */
    shouldPull(): boolean {
      return this.started && this.isOpen() && (hasRequests(this.stream) || this.highWaterMark - this.queue.total > 0);
    }
    /** ReadableStreamDefaultControllerCallPullIfNeeded. */
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
      this.size = undefined;
    }

    poll(): unknown {
      if (count(this.queue.chunks) === 0) return NO_CHUNK;
      const chunk = takeSized(this.queue);
      if (this.closeRequested && count(this.queue.chunks) === 0) {
        this.clearAlgorithms();
        closeStream(this.stream);
      } else this.callPull();
      return chunk;
    }
    wait(request: ReadRequest): void {
      put((this.stream.reader as ReaderState).requests, request);
      this.callPull();
    }
    cancel(reason: unknown): unknown {
      clear(this.queue);
      const cancel = this.cancelSource;
      const result = attempt(cancel, reason);
      this.clearAlgorithms();
      return result;
    }
    release(): void { /* 4.6.4 [[ReleaseSteps]]: nothing. */ }

    close(): void {
      if (!this.isOpen()) return;
      this.closeRequested = true;
      if (count(this.queue.chunks) > 0) return;
      this.clearAlgorithms();
      closeStream(this.stream);
    }
    enqueue(chunk: unknown): void {
      if (!this.isOpen()) return;
      if (hasRequests(this.stream)) take((this.stream.reader as ReaderState).requests).chunk(chunk);
      else if (this.size === undefined) putSized(this.queue, chunk, 1);
      else {
        try {
          const size = this.size(chunk);
          checkSize(size);
          putSized(this.queue, chunk, size);
        } catch (error) {
          this.error(error);
          throw error;
        }
      }
      this.callPull();
    }
    error(reason: unknown): void {
      if (this.stream.status !== READABLE) return;
      clear(this.queue);
      this.clearAlgorithms();
      errorStream(this.stream, reason);
    }
  }

  let building: DefaultState | undefined;
  class ReadableStreamDefaultController {
    readonly #slots: DefaultState;
    constructor() {
      if (building === undefined) illegal();
      this.#slots = building;
      building = undefined;
    }
    get desiredSize(): number | null { return this.#slots.desired(); }
    close(): void {
      if (!this.#slots.isOpen()) throw new TypeError('close: the stream is closed already, or has failed');
      this.#slots.close();
    }
    enqueue(chunk: unknown = undefined): void {
      if (!this.#slots.isOpen()) throw new TypeError('enqueue: the stream is closed, or has failed');
      this.#slots.enqueue(chunk);
    }
    error(reason: unknown = undefined): void { this.#slots.error(reason); }
  }
  finishInterface(ReadableStreamDefaultController, 'ReadableStreamDefaultController');

  /** SetUpReadableStreamDefaultController; the object only when an algorithm of an applet's may see it. */
  function setUp(stream: ReadableState, start: Algorithm, pull: Algorithm, cancel: Algorithm, highWaterMark: number, size: Size | undefined): DefaultState {
    const slots = new DefaultState(stream, pull, cancel, highWaterMark, size);
    building = slots;
    slots.object = new ReadableStreamDefaultController();
    stream.controller = slots;
    const started = (): void => {
      slots.started = true;
      slots.callPull();
    };
    startWith(start, slots.object, started, (reason) => slots.error(reason));
    return slots;
  }
  return { ReadableStreamDefaultController, setUp };
});

export type DefaultState = ReturnType<ReturnType<typeof defaultControllers>['setUp']>;
