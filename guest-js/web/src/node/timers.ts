// node:timers and node:timers/promises: the platform's timers behind objects with ref and unref, and promises of them.

import { once } from '../lazy.ts';
import * as timers from '../web/timers.ts';
import { checkFunction, checkNumber, codedError, invalidType } from './errors.ts';

interface Signal { aborted: boolean; reason: unknown; addEventListener(type: string, listener: () => void, options?: object): void; removeEventListener(type: string, listener: () => void): void }
interface Options { signal?: Signal }

function abortError(signal: Signal): Error {
  const error = codedError(Error, 'ABORT_ERR', 'The operation was aborted');
  error.name = 'AbortError';
  (error as { cause?: unknown }).cause = signal.reason;
  return error;
}

function checkOptions(options: unknown): Options {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'object', options);
  const { signal } = options as Options;
  if (signal !== undefined && (typeof signal !== 'object' || signal === null || !('aborted' in signal))) throw invalidType('options.signal', ['AbortSignal'], signal);
  return options as Options;
}

export const nodeTimers = once(() => {
  /** A timer of this module. An invocation ends with its answer, so there is nothing that ref and unref could change. */
  class Timeout {
    #id: number;
    readonly #start: () => number;
    #isReferenced = true;
    constructor(start: () => number) {
      this.#start = start;
      this.#id = start();
    }
    ref(): this {
      this.#isReferenced = true;
      return this;
    }
    unref(): this {
      this.#isReferenced = false;
      return this;
    }
    hasRef(): boolean { return this.#isReferenced; }
    refresh(): this {
      timers.clearTimeout(this.#id);
      this.#id = this.#start();
      return this;
    }
    close(): this {
      timers.clearTimeout(this.#id);
      return this;
    }
    [Symbol.toPrimitive](): number { return this.#id; }
  }
  const clear = (timer: unknown): void => timers.clearTimeout(typeof timer === 'object' && timer !== null ? Number(timer) : timer);
  const setImmediate = (callback: unknown, ...args: unknown[]): Timeout => {
    checkFunction(callback, 'callback');
    return new Timeout(() => timers.setTimeout(callback, 0, ...args));
  };

  function later<T>(start: (done: () => void) => number, value: T, options: unknown): Promise<T> {
    let given: Options;
    try {
      given = checkOptions(options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const { signal } = given;
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    return new Promise((resolve, reject) => {
      const id = start(() => {
        signal?.removeEventListener('abort', aborted);
        resolve(value);
      });
      const aborted = (): void => {
        timers.clearTimeout(id);
        reject(abortError(signal as Signal));
      };
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  async function* every<T>(delay: unknown, value: T, options: unknown): AsyncGenerator<T, void> {
    const { signal } = checkOptions(options);
    const check = (): void => {
      if (signal?.aborted === true) throw abortError(signal);
    };
    check();
    let missed = 0;
    let wake: (() => void) | undefined;
    const id = timers.setInterval(() => {
      missed++;
      wake?.();
    }, delay);
    const aborted = (): void => wake?.();
    signal?.addEventListener('abort', aborted, { once: true });
    try {
      for (;;) {
        check();
        if (missed === 0) await new Promise<void>((resolve) => (wake = resolve));
        for (; missed > 0; missed--) yield value;
      }
    } finally {
      timers.clearInterval(id);
      signal?.removeEventListener('abort', aborted);
    }
  }

  const wait = <T>(delay?: unknown, value?: T, options?: unknown): Promise<T | undefined> => {
    if (delay !== undefined) checkNumber(delay, 'delay');
    return later((done) => timers.setTimeout(done, delay ?? 1), value, options);
  };
  const immediately = <T>(value?: T, options?: unknown): Promise<T | undefined> => later((done) => timers.setTimeout(done, 0), value, options);
  const promises = {
    setTimeout: wait, setImmediate: immediately, setInterval: every,
    scheduler: { wait: (delay: unknown, options?: unknown): Promise<unknown> => wait(delay, undefined, options), yield: (): Promise<unknown> => immediately() },
  };
  const repeated = (start: typeof timers.setTimeout) => (callback: unknown, delay?: unknown, ...args: unknown[]): Timeout => {
    checkFunction(callback, 'callback');
    return new Timeout(() => start(callback, delay, ...args));
  };
  const setTimeout = repeated(timers.setTimeout);
  const promisified = Symbol.for('nodejs.util.promisify.custom');
  Object.defineProperty(setTimeout, promisified, { value: wait });
  Object.defineProperty(setImmediate, promisified, { value: immediately });
  return { setTimeout, setInterval: repeated(timers.setInterval), setImmediate, clearTimeout: clear, clearInterval: clear, clearImmediate: clear, promises };
});
