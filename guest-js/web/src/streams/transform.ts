// TransformStream with its controller (Streams standard, 6), and the transforms that the platform itself makes of it.

import { promiseThen, SavedPromise } from '../primordials.ts';
import { once } from '../lazy.ts';
import { finishInterface, isObject } from '../webidl.ts';
import type { DefaultState } from './default-controller.ts';
import { type Algorithm, illegal, memberOf, readables } from './readable.ts';
import { ERRORED, type ReadableState } from './states.ts';
import { highWaterMarkOf, type Size, sizeOf, strategyOf } from './strategies.ts';
import { attempt, converted, fulfil, type Later, later, promiseFor, promiseOf, reject } from './support.ts';
import { ERRORING, FAILED, type WritableState, writables } from './writable.ts';

/** A transformer: what it gives to `transform` and `flush` is the state below, not an object of the applet's. */
export interface Transformer {
  transform(chunk: unknown, into: TransformState): unknown;
  flush?(into: TransformState): unknown;
  cancel?(reason: unknown): unknown;
}

/** The slots of both TransformStream and its controller. */
export interface TransformState {
  readable: ReadableState;
  writable: WritableState;
  enqueue(chunk: unknown): void;
}

export const transforms = once(() => {
  const { create: createReadable } = readables();
  const { create: createWritable } = writables();

  class State implements TransformState {
    readable!: ReadableState;
    writable!: WritableState;
    object: object | undefined;
    transform: Algorithm;
    flush: Algorithm;
    cancel: Algorithm;
    backpressure = false;
    change: Later = later(true);
    /** Settles when flush or cancel has: whichever comes first. */
    finished: Later | undefined;

    get output(): DefaultState { return this.readable.controller as DefaultState; }

    /** InitializeTransformStream. */
    initialize(start: () => unknown, writableMark: number, writableSize: Size | undefined, readableMark: number, readableSize: Size | undefined): void {
      this.writable = createWritable(start, (chunk) => this.write(chunk), () => this.close(), (reason) => this.abort(reason), writableMark, writableSize);
      this.readable = createReadable(start, () => this.pull(), (reason) => this.cancelReadable(reason), readableMark, readableSize);
      this.setBackpressure(true);
    }
    setBackpressure(backpressure: boolean): void {
      fulfil(this.change);
      this.change = later(true);
      this.backpressure = backpressure;
    }
    clearAlgorithms(): void {
      this.transform = undefined;
      this.flush = undefined;
      this.cancel = undefined;
    }

    /** TransformStreamError. */
    error(reason: unknown): void {
      this.output.error(reason);
      this.errorWritable(reason);
    }
    /** TransformStreamErrorWritableAndUnblockWrite. */
    errorWritable(reason: unknown): void {
      this.clearAlgorithms();
      this.writable.controller.error(reason);
      if (this.backpressure) this.setBackpressure(false);
    }

    /** TransformStreamDefaultControllerEnqueue. */
    enqueue(chunk: unknown): void {
      const { output } = this;
      if (!output.isOpen()) throw new TypeError('enqueue: the readable side is closed, or has failed');
      try {
        output.enqueue(chunk);
      } catch (error) {
        this.errorWritable(error);
        throw this.readable.error;
      }
      // ReadableStreamDefaultControllerHasBackpressure.
      const isFull = !output.shouldPull();
      if (isFull !== this.backpressure) this.setBackpressure(true);
    }
    terminate(): void {
      this.output.close();
      this.errorWritable(new TypeError('the transform was terminated'));
    }

    /** TransformStreamDefaultSinkWriteAlgorithm. */
    write(chunk: unknown): unknown {
      if (!this.backpressure) return this.perform(chunk);
      return promiseThen(promiseFor(this.change), () => {
        if (this.writable.status === ERRORING) throw this.writable.error;
        return this.perform(chunk);
      });
    }
    /** TransformStreamDefaultControllerPerformTransform. */
    perform(chunk: unknown): unknown {
      if (this.transform === undefined) return undefined;
      const result = attempt(this.transform, chunk, this.object ?? this);
      if (!isObject(result)) return undefined;
      return promiseThen(promiseOf(result), undefined, (error) => {
        this.error(error);
        throw error;
      });
    }
    /** Begins flush or cancel; undefined when one of them has begun. */
    private finishing(): Later | undefined {
      if (this.finished !== undefined) return undefined;
      return (this.finished = later(true));
    }

    /** TransformStreamDefaultSinkCloseAlgorithm. */
    close(): unknown {
      const finished = this.finishing();
      if (finished === undefined) return promiseFor(this.finished as Later);
      const promise = promiseFor(finished);
      const result = converted(attempt(this.flush, this.object ?? this));
      this.clearAlgorithms();
      void promiseThen(promiseOf(result), () => {
        if (this.readable.status === ERRORED) reject(finished, this.readable.error);
        else {
          this.output.close();
          fulfil(finished);
        }
      }, (error) => {
        this.output.error(error);
        reject(finished, error);
      });
      return promise;
    }

    /** TransformStreamDefaultSinkAbortAlgorithm. */
    abort(reason: unknown): unknown {
      const finished = this.finishing();
      if (finished === undefined) return promiseFor(this.finished as Later);
      const promise = promiseFor(finished);
      const { readable } = this;
      const result = converted(attempt(this.cancel, reason));
      this.clearAlgorithms();
      void promiseThen(promiseOf(result), () => {
        if (readable.status === ERRORED) reject(finished, readable.error);
        else {
          this.output.error(reason);
          fulfil(finished);
        }
      }, (error) => {
        this.output.error(error);
        reject(finished, error);
      });
      return promise;
    }

    /** TransformStreamDefaultSourcePullAlgorithm. */
    pull(): unknown {
      this.setBackpressure(false);
      return promiseFor(this.change);
    }
    /** TransformStreamDefaultSourceCancelAlgorithm. */
    cancelReadable(reason: unknown): unknown {
      const finished = this.finishing();
      if (finished === undefined) return promiseFor(this.finished as Later);
      const promise = promiseFor(finished);
      const { writable } = this;
      const result = converted(attempt(this.cancel, reason));
      this.clearAlgorithms();
      void promiseThen(promiseOf(result), () => {
        if (writable.status === FAILED) reject(finished, writable.error);
        else {
          writable.controller.error(reason);
          if (this.backpressure) this.setBackpressure(false);
          fulfil(finished);
        }
      }, (error) => {
        writable.controller.error(error);
        if (this.backpressure) this.setBackpressure(false);
        reject(finished, error);
      });
      return promise;
    }
  }

  let building: State | undefined;
  class TransformStreamDefaultController {
    readonly #state: State;
    constructor() {
      if (building === undefined) illegal();
      this.#state = building;
      building = undefined;
    }
    get desiredSize(): number | null { return this.#state.output.desired(); }
    enqueue(chunk: unknown = undefined): void { this.#state.enqueue(chunk); }
    error(reason: unknown = undefined): void { this.#state.error(reason); }
    terminate(): void { this.#state.terminate(); }
  }
  finishInterface(TransformStreamDefaultController, 'TransformStreamDefaultController');

  class TransformStream {
    readonly #state: State;
    constructor(transformer: unknown = undefined, writableStrategy: unknown = undefined, readableStrategy: unknown = undefined) {
      if (transformer !== undefined && !isObject(transformer)) throw new TypeError('TransformStream: the transformer must be an object');
      const forWriting = strategyOf(writableStrategy, 'TransformStream');
      const forReading = strategyOf(readableStrategy, 'TransformStream');
      const given = (transformer ?? { __proto__: null }) as Record<string, unknown>;
      const cancel = memberOf(given, 'cancel', 'TransformStream');
      const flush = memberOf(given, 'flush', 'TransformStream');
      const { readableType } = given;
      const start = memberOf(given, 'start', 'TransformStream');
      const transform = memberOf(given, 'transform', 'TransformStream', 2);
      const { writableType } = given;
      if (readableType !== undefined) throw new RangeError('TransformStream: readableType must be undefined');
      if (writableType !== undefined) throw new RangeError('TransformStream: writableType must be undefined');
      const readableMark = highWaterMarkOf(forReading, 0);
      const readableSize = sizeOf(forReading);
      const writableMark = highWaterMarkOf(forWriting, 1);
      const writableSize = sizeOf(forWriting);
      const state = (this.#state = new State());
      let begin!: (result: unknown) => void;
      const started = new SavedPromise<unknown>((resolve) => (begin = resolve));
      state.initialize(() => started, writableMark, writableSize, readableMark, readableSize);
      building = state;
      state.object = new TransformStreamDefaultController();
      state.cancel = cancel;
      state.flush = flush;
      state.transform = transform ?? ((chunk) => state.enqueue(chunk));
      begin(start?.(state.object));
    }
    get readable(): object { return this.#state.readable.object; }
    get writable(): object { return this.#state.writable.object; }
  }
  finishInterface(TransformStream, 'TransformStream');

  /** "Set up" of 9.3.1: a transform of the platform's own. */
  function setUp(transformer: Transformer): State {
    const state = new State();
    state.initialize(() => undefined, 1, undefined, 0, undefined);
    state.transform = (chunk) => transformer.transform(chunk, state);
    state.flush = () => transformer.flush?.(state);
    state.cancel = (reason) => transformer.cancel?.(reason);
    return state;
  }
  return { TransformStream, TransformStreamDefaultController, setUp };
});
