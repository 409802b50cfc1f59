// node:async_hooks: AsyncLocalStorage and AsyncResource. Hooks into every asynchronous step are not there: nothing in a sandbox may
// watch the platform's own work.

import { once } from '../lazy.ts';
import { currentFrame, enterFrame, type Frame, frameWith, storeOf } from './async-context.ts';
import { checkFunction, invalidType, invalidValue, unavailable } from './errors.ts';

type Callable = (...args: unknown[]) => unknown;

let lastAsyncId = 1;

export const asyncHooks = once(() => {
  class AsyncResource {
    readonly #frame: Frame;
    readonly #asyncId: number;
    readonly #triggerAsyncId: number;

    constructor(type: unknown, options: unknown = {}) {
      if (typeof type !== 'string') throw invalidType('type', 'string', type);
      const given = (typeof options === 'number' ? { triggerAsyncId: options } : options) as { triggerAsyncId?: unknown };
      const trigger = given.triggerAsyncId ?? 1;
      if (!Number.isSafeInteger(trigger) || (trigger as number) < -1) throw invalidValue('triggerAsyncId', trigger);
      this.#frame = currentFrame();
      this.#asyncId = ++lastAsyncId;
      this.#triggerAsyncId = trigger as number;
    }
    runInAsyncScope(callback: unknown, thisArg?: unknown, ...args: unknown[]): unknown {
      const outer = enterFrame(this.#frame);
      try {
        return Reflect.apply(callback as Callable, thisArg, args);
      } finally {
        enterFrame(outer);
      }
    }
    /** There are no hooks to tell. */
    emitDestroy(): this {
      void this.#asyncId;
      return this;
    }
    asyncId(): number { return this.#asyncId; }
    triggerAsyncId(): number { return this.#triggerAsyncId; }

    bind(callback: unknown, thisArg?: unknown): Callable {
      checkFunction(callback, 'fn');
      const run = (self: unknown, args: unknown[]): unknown => this.runInAsyncScope(callback, self, ...args);
      const bound = thisArg === undefined
        ? function bound(this: unknown, ...args: unknown[]): unknown { return run(this, args); }
        : (...args: unknown[]): unknown => run(thisArg, args);
      Object.defineProperty(bound, 'length', { value: callback.length, configurable: true });
      return bound;
    }
    static bind(callback: unknown, type?: unknown, thisArg?: unknown): Callable {
      const name = type ?? (callback as { name?: string }).name;
      return new AsyncResource(name === '' || name === undefined ? 'bound-anonymous-fn' : name).bind(callback, thisArg);
    }
  }

  class AsyncLocalStorage {
    /** After `disable`, until the next `run` or `enterWith`. */
    #disabled = false;

    static bind(callback: unknown): Callable { return AsyncResource.bind(callback); }
    static snapshot(): Callable {
      return AsyncResource.bind((callback: Callable, ...args: unknown[]) => callback(...args), 'AsyncLocalStorage.snapshot');
    }
    disable(): void { this.#disabled = true; }
    getStore(): unknown { return this.#disabled ? undefined : storeOf(currentFrame(), this); }
    enterWith(store: unknown): void {
      this.#disabled = false;
      enterFrame(frameWith(currentFrame(), this, store));
    }
    run(store: unknown, callback: unknown, ...args: unknown[]): unknown {
      this.#disabled = false;
      const outer = currentFrame();
      const inner = frameWith(outer, this, store);
      enterFrame(inner);
      try {
        return Reflect.apply(callback as Callable, null, args);
      } finally {
        const left = currentFrame();
        // What other storages have entered meanwhile stays.
        enterFrame(left === inner ? outer : frameWith(left, this, storeOf(outer, this)));
      }
    }
    exit(callback: unknown, ...args: unknown[]): unknown { return this.run(undefined, callback, ...args); }
  }

  const hooks = 'use AsyncLocalStorage or AsyncResource';
  return {
    AsyncLocalStorage, AsyncResource,
    createHook: unavailable('async_hooks.createHook', hooks),
    executionAsyncId: unavailable('async_hooks.executionAsyncId', hooks),
    executionAsyncResource: unavailable('async_hooks.executionAsyncResource', hooks),
    triggerAsyncId: unavailable('async_hooks.triggerAsyncId', hooks),
  };
});
