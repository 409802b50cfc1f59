// ReadableStreamPipeTo (Streams standard, 4.9.1): chunks that are queued are passed on without a promise for each.

import { promiseReject, promiseResolve, promiseThen, push, SavedPromise } from '../primordials.ts';
import { once } from '../lazy.ts';
import { abortReason, addAlgorithm, removeAlgorithm } from '../web/abort.ts';
import { cancelStream, lockStream, type PipeOptions, releaseReader } from './readable.ts';
import { CLOSED, ERRORED, NO_CHUNK, READABLE, type ReadableState, type ReaderState, type ReadRequest } from './states.ts';
import { afterTick, isPending, type Later, noop, promiseFor, upon } from './support.ts';
import { FAILED, FINISHED, isClosing, WRITABLE, type WritableState, writables, type WriterState } from './writable.ts';

type Action = () => Promise<unknown>;

export const pipes = once(() => {
  const { abortStream, closeStream, desiredSize, lock, release, write } = writables();

  class Pipe implements ReadRequest {
    readonly source: ReadableState;
    readonly destination: WritableState;
    readonly reader: ReaderState;
    readonly writer: WriterState;
    readonly options: PipeOptions;
    readonly resolve: (value: undefined) => void;
    readonly reject: (reason: unknown) => void;
    readonly onAbort: (() => void) | undefined;
    /** The last write; the ones before it are done when it is. */
    lastWrite: Later | undefined;
    isShuttingDown = false;
    /** A chunk that has been read and waits for its job: enqueue() must not call the sink at once. */
    arrived: { readonly chunk: unknown } | undefined;
    readonly pass = (): void => this.run();
    readonly passArrived = (): void => {
      this.writeArrived();
      this.run();
    };

    constructor(
      source: ReadableState, destination: WritableState, options: PipeOptions, resolve: (value: undefined) => void, reject: (reason: unknown) => void,
    ) {
      this.source = source;
      this.destination = destination;
      this.options = options;
      this.resolve = resolve;
      this.reject = reject;
      this.reader = lockStream(source, false);
      this.writer = lock(destination);
      source.disturbed = true;
      const { signal } = options;
      if (signal !== undefined) {
        this.onAbort = () => this.abort(abortReason(signal));
        if (!addAlgorithm(signal, this.onAbort)) {
          this.onAbort();
          return;
        }
      }
      this.watch();
      if (!this.isShuttingDown) afterTick(this.pass);
    }

    /** Reacts to either side's end, those that have come already included. */
    private watch(): void {
      const { source, destination } = this;
      if (source.status === ERRORED) this.sourceFailed(source.error);
      else if (source.status === READABLE) void promiseThen(promiseFor(this.reader.closed), () => this.sourceClosed(), (reason) => this.sourceFailed(reason));
      if (destination.status === FAILED) this.destinationFailed(destination.error);
      else if (destination.status !== FINISHED) void promiseThen(promiseFor(this.writer.closed), noop, (reason) => this.destinationFailed(reason));
      if (source.status === CLOSED) this.sourceClosed();
      if (isClosing(destination) || destination.status === FINISHED) this.destinationClosed();
    }
    private sourceFailed(reason: unknown): void {
      this.shutDown(this.options.preventAbort ? undefined : () => abortStream(this.destination, reason), { reason });
    }
    private destinationFailed(reason: unknown): void {
      this.shutDown(this.options.preventCancel ? undefined : () => cancelStream(this.source, reason), { reason });
    }
    private sourceClosed(): void { this.shutDown(this.options.preventClose ? undefined : () => this.closeDestination(), undefined); }
    private destinationClosed(): void {
      const reason = new TypeError('pipeTo: the destination is closed, or is being closed');
      this.shutDown(this.options.preventCancel ? undefined : () => cancelStream(this.source, reason), { reason });
    }

    /** WritableStreamDefaultWriterCloseWithErrorPropagation. */
    private closeDestination(): Promise<unknown> {
      const { destination } = this;
      if (isClosing(destination) || destination.status === FINISHED) return promiseResolve(undefined);
      if (destination.status === FAILED) return promiseReject(destination.error);
      return promiseFor(closeStream(destination));
    }

    private abort(reason: unknown): void {
      const { options, source, destination } = this;
      this.shutDown(() => {
        const actions: Promise<unknown>[] = [];
        if (!options.preventAbort && destination.status === WRITABLE) push(actions, abortStream(destination, reason));
        if (!options.preventCancel && source.status === READABLE) push(actions, cancelStream(source, reason));
        return both(actions);
      }, { reason });
    }

    private run(): void {
      const { source, destination, writer } = this;
      // What ends either side is seen by the reactions of `watch`.
      while (!this.isShuttingDown && destination.status === WRITABLE && !isClosing(destination)) {
        if ((desiredSize(destination) as number) <= 0) {
          upon(promiseFor(writer.ready), this.pass, noop);
          return;
        }
        if (source.status !== READABLE) return;
        const chunk = source.controller.poll();
        if (chunk === NO_CHUNK) {
          source.controller.wait(this);
          return;
        }
        this.lastWrite = write(writer, chunk, true);
      }
    }
    chunk(chunk: unknown): void {
      this.arrived = { chunk };
      afterTick(this.passArrived);
    }
    close(): void { /* The reader's `closed` tells. */ }
    error(): void { /* Likewise. */ }

    private writeArrived(): void {
      const { arrived, destination } = this;
      this.arrived = undefined;
      if (arrived !== undefined && destination.status === WRITABLE && !isClosing(destination)) this.lastWrite = write(this.writer, arrived.chunk, true);
    }

    /** "Shutdown with an action" and "shutdown": what has been read is written first. */
    private shutDown(action: Action | undefined, failure: { reason: unknown } | undefined): void {
      if (this.isShuttingDown) return;
      this.isShuttingDown = true;
      const act = (): void => {
        if (action === undefined) this.finish(failure);
        else void promiseThen(action(), () => this.finish(failure), (reason) => this.finish({ reason }));
      };
      if (this.destination.status !== WRITABLE || isClosing(this.destination)) {
        act();
        return;
      }
      const waitForWrites = (): void => {
        this.writeArrived();
        const { lastWrite } = this;
        if (lastWrite === undefined || !isPending(lastWrite)) {
          act();
          return;
        }
        upon(promiseFor(lastWrite), waitForWrites, waitForWrites);
      };
      afterTick(waitForWrites);
    }

    private finish(failure: { reason: unknown } | undefined): void {
      release(this.writer);
      releaseReader(this.reader);
      const { signal } = this.options;
      if (signal !== undefined && this.onAbort !== undefined) removeAlgorithm(signal, this.onAbort);
      if (failure === undefined) this.resolve(undefined);
      else this.reject(failure.reason);
    }
  }

  /** Waits for all; the first rejection counts. Promise.all would ask the applet's Promise.prototype.then. */
  function both(promises: readonly Promise<unknown>[]): Promise<unknown> {
    if (promises.length === 0) return promiseResolve(undefined);
    return new SavedPromise((resolve, reject) => {
      let missing = promises.length;
      const one = (): void => {
        if (--missing === 0) resolve(undefined);
      };
      for (let i = 0; i < promises.length; i++) void promiseThen(promises[i] as Promise<unknown>, one, reject);
    });
  }

  function pipe(source: ReadableState, destination: WritableState, options: PipeOptions): Promise<undefined> {
    return new SavedPromise<undefined>((resolve, reject) => void new Pipe(source, destination, options, resolve, reject));
  }
  /** For pipeThrough: a failure is seen on the other side. */
  function pipeQuietly(source: ReadableState, destination: WritableState, options: PipeOptions): void {
    void new Pipe(source, destination, options, noop, noop);
  }
  return { pipe, pipeQuietly };
});
