// node:events: EventEmitter, and once, on and their kin for emitters and EventTargets.

import { once as lazily } from '../lazy.ts';
import { asyncHooks } from './async-hooks.ts';
import { inspect } from '../web/inspect.ts';
import { queueMicrotask } from '../web/timers.ts';
import { checkFunction, checkObject, codedError, invalidType, outOfRange } from './errors.ts';
import { nextTick } from './ticks.ts';
import { warn } from './warnings.ts';

type Listener = ((...args: unknown[]) => unknown) & { listener?: Listener };
type Name = string | symbol;
type Table = Record<Name, Listener | Listener[] | undefined>;

interface EventTargetLike {
  addEventListener(type: string, listener: Listener, options?: object): void;
  removeEventListener(type: string, listener: Listener): void;
}
interface Signal { aborted: boolean; reason: unknown; addEventListener(type: string, listener: () => void, options?: object): void; removeEventListener(type: string, listener: () => void): void }

const CAPTURE = Symbol('kCapture');
const REJECTION = Symbol.for('nodejs.rejection');
const ERROR_MONITOR = Symbol('events.errorMonitor');
const captureValue = Symbol('captureRejections');

let defaultMaxListeners = 10;

function checkLimit(value: unknown, name: string): number {
  if (typeof value !== 'number' || value < 0 || Number.isNaN(value)) {
    if (typeof value !== 'number') throw invalidType(name, 'number', value);
    throw outOfRange(name, '>= 0', value);
  }
  return value;
}

function abortError(signal: Signal | undefined): Error {
  const error = codedError(Error, 'ABORT_ERR', 'The operation was aborted');
  error.name = 'AbortError';
  (error as { cause?: unknown }).cause = signal?.reason;
  return error;
}

interface Emitter {
  _events: Table;
  _eventsCount: number;
  _maxListeners: number | undefined;
  [CAPTURE]: boolean;
  on(name: Name, listener: Listener): this;
  once(name: Name, listener: Listener): this;
  off(name: Name, listener: Listener): this;
  removeListener(name: Name, listener: Listener): this;
  emit(name: Name, ...args: unknown[]): boolean;
  listenerCount(name: Name): number;
}

function isEmitter(value: unknown): value is Emitter { return typeof (value as Emitter | undefined)?.on === 'function'; }

export const events = lazily(() => {
  function EventEmitter(this: Emitter, options?: { captureRejections?: unknown }): void { init(this, options); }

  /** Also for classes of old that call `EventEmitter.call(this)`, or never call it at all. */
  function init(self: Emitter, options?: { captureRejections?: unknown }): void {
    if (self._events === undefined || self._events === (Object.getPrototypeOf(self) as Emitter)._events) {
      self._events = { __proto__: null } as never;
      self._eventsCount = 0;
    }
    self._maxListeners = self._maxListeners ?? undefined;
    const capture = options?.captureRejections;
    if (capture !== undefined) {
      if (typeof capture !== 'boolean') throw invalidType('options.captureRejections', 'boolean', capture);
      self[CAPTURE] = capture;
    } else self[CAPTURE] = (EventEmitter as unknown as Record<symbol, boolean>)[captureValue] ?? false;
  }

  function limitOf(self: Emitter): number { return self._maxListeners ?? defaultMaxListeners; }

  function add(self: Emitter, name: Name, listener: Listener, prepend: boolean): Emitter {
    checkFunction(listener, 'listener');
    let table = self._events as Table | undefined;
    if (table === undefined) {
      table = self._events = { __proto__: null } as never;
      self._eventsCount = 0;
    } else if (table['newListener'] !== undefined) {
      self.emit('newListener', name, listener.listener ?? listener);
      table = self._events;
    }
    const found = table[name];
    if (found === undefined) {
      table[name] = listener;
      self._eventsCount++;
      return self;
    }
    const list = typeof found === 'function' ? (table[name] = prepend ? [listener, found] : [found, listener]) : found;
    if (typeof found !== 'function') {
      if (prepend) list.unshift(listener);
      else list.push(listener);
    }
    const limit = limitOf(self);
    if (limit > 0 && list.length > limit && !(list as { warned?: boolean }).warned) {
      (list as { warned?: boolean }).warned = true;
      const who = inspect(self, -1);
      warn(`MaxListenersExceededWarning: Possible EventEmitter memory leak detected. ${list.length} ${String(name)} listeners added to ${who}. `
        + `MaxListeners is ${limit}. Use emitter.setMaxListeners() to increase limit`);
    }
    return self;
  }

  function onceWrapper(self: Emitter, name: Name, listener: Listener): Listener {
    checkFunction(listener, 'listener');
    let fired = false;
    const wrapper: Listener = function (this: unknown, ...args: unknown[]): unknown {
      if (fired) return undefined;
      self.removeListener(name, wrapper);
      fired = true;
      return Reflect.apply(listener, self, args);
    };
    wrapper.listener = listener;
    return wrapper;
  }

  function listenersOf(self: Emitter, name: Name, unwrap: boolean): Listener[] {
    const found = (self._events as Table | undefined)?.[name];
    if (found === undefined) return [];
    const list = typeof found === 'function' ? [found] : found.slice();
    return unwrap ? list.map((one) => one.listener ?? one) : list;
  }

  function unhandled(args: unknown[]): never {
    const error = args[0];
    if (error instanceof Error) throw error;
    let text: string;
    try {
      text = inspect(error);
    } catch {
      text = String(error);
    }
    const wrapped = codedError(Error, 'ERR_UNHANDLED_ERROR', `Unhandled error. (${text})`) as Error & { context?: unknown };
    wrapped.context = error;
    throw wrapped;
  }

  function caught(self: Emitter, promise: unknown, name: Name, args: unknown[]): void {
    const then = (promise as { then?: unknown } | null | undefined)?.then;
    if (typeof then !== 'function') return;
    Reflect.apply(then, promise, [undefined, (error: unknown) => {
      nextTick(() => {
        const handler = (self as unknown as Record<symbol, unknown>)[REJECTION];
        if (typeof handler === 'function') Reflect.apply(handler, self, [error, name, ...args]);
        else {
          const before = self[CAPTURE];
          try {
            self[CAPTURE] = false;
            self.emit('error', error);
          } finally {
            self[CAPTURE] = before;
          }
        }
      });
    }]);
  }

  const methods = {
    setMaxListeners(this: Emitter, limit: unknown): Emitter {
      this._maxListeners = checkLimit(limit, 'setMaxListeners');
      return this;
    },
    getMaxListeners(this: Emitter): number { return limitOf(this); },
    emit(this: Emitter, name: Name, ...args: unknown[]): boolean {
      const table = this._events as Table | undefined;
      if (name === 'error') {
        if (table?.[ERROR_MONITOR] !== undefined) this.emit(ERROR_MONITOR, ...args);
        if (table?.['error'] === undefined) unhandled(args);
      }
      const found = table?.[name];
      if (found === undefined) return false;
      // Who is added or removed meanwhile does not change who is told.
      const list = typeof found === 'function' ? undefined : found.slice();
      for (let i = 0; i < (list === undefined ? 1 : list.length); i++) {
        const result = Reflect.apply((list === undefined ? found : list[i]) as Listener, this, args);
        if (result !== undefined && result !== null && this[CAPTURE]) caught(this, result, name, args);
      }
      return true;
    },
    addListener(this: Emitter, name: Name, listener: Listener): Emitter { return add(this, name, listener, false); },
    prependListener(this: Emitter, name: Name, listener: Listener): Emitter { return add(this, name, listener, true); },
    once(this: Emitter, name: Name, listener: Listener): Emitter { return this.on(name, onceWrapper(this, name, listener)); },
    prependOnceListener(this: Emitter, name: Name, listener: Listener): Emitter { return add(this, name, onceWrapper(this, name, listener), true); },
    removeListener(this: Emitter, name: Name, listener: Listener): Emitter {
      checkFunction(listener, 'listener');
      const table = this._events as Table | undefined;
      const found = table?.[name];
      if (table === undefined || found === undefined) return this;
      if (found === listener || (found as Listener).listener === listener) {
        this._eventsCount--;
        delete table[name];
        if (table['removeListener'] !== undefined) this.emit('removeListener', name, (found as Listener).listener ?? listener);
        return this;
      }
      if (typeof found === 'function') return this;
      let at = found.length - 1;
      while (at >= 0 && found[at] !== listener && found[at]?.listener !== listener) at--;
      if (at < 0) return this;
      found.splice(at, 1);
      if (found.length === 1) table[name] = found[0];
      if (table['removeListener'] !== undefined) this.emit('removeListener', name, listener);
      return this;
    },
    removeAllListeners(this: Emitter, name?: Name): Emitter {
      const table = this._events as Table | undefined;
      if (table === undefined) return this;
      if (table['removeListener'] !== undefined) {
        const names = name === undefined ? Reflect.ownKeys(table).filter((one) => one !== 'removeListener') : [name];
        for (const one of names) for (const listener of listenersOf(this, one, false).reverse()) this.removeListener(one, listener);
        if (name !== undefined) return this;
      }
      if (name === undefined) {
        this._events = { __proto__: null } as never;
        this._eventsCount = 0;
      } else if (table[name] !== undefined) {
        delete table[name];
        this._eventsCount--;
      }
      return this;
    },
    listeners(this: Emitter, name: Name): Listener[] { return listenersOf(this, name, true); },
    rawListeners(this: Emitter, name: Name): Listener[] { return listenersOf(this, name, false); },
    listenerCount(this: Emitter, name: Name, listener?: Listener): number {
      const list = listenersOf(this, name, false);
      return listener === undefined || listener === null ? list.length : list.filter((one) => one === listener || one.listener === listener).length;
    },
    eventNames(this: Emitter): Name[] { return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : []; },
  };
  const prototype = EventEmitter.prototype as Record<Name, unknown>;
  for (const name of Object.keys(methods)) prototype[name] = methods[name as 'emit'];
  prototype['on'] = methods.addListener;
  prototype['off'] = methods.removeListener;
  Object.defineProperties(prototype, {
    _events: { value: undefined, writable: true, enumerable: true, configurable: true },
    _eventsCount: { value: 0, writable: true, enumerable: true, configurable: true },
    _maxListeners: { value: undefined, writable: true, enumerable: true, configurable: true },
    [CAPTURE]: { value: false, writable: true, enumerable: false },
  });

  /** Waits for an event of an emitter or an EventTarget; rejects on 'error', and when a signal aborts. */
  function once(emitter: unknown, name: Name, options: { signal?: Signal } = {}): Promise<unknown[]> {
    const { signal } = options;
    if (signal !== undefined && (typeof signal !== 'object' || !('aborted' in signal))) throw invalidType('options.signal', ['AbortSignal'], signal);
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    return new Promise((resolve, reject) => {
      const failed = (error: unknown): void => {
        detach();
        reject(error);
      };
      const arrived = (...args: unknown[]): void => {
        detach();
        resolve(args);
      };
      const aborted = (): void => failed(abortError(signal));
      const remove = attach(emitter, name, arrived, true);
      const removeError = name !== 'error' && isEmitter(emitter) ? attach(emitter, 'error', failed, true) : undefined;
      signal?.addEventListener('abort', aborted, { once: true });
      const detach = (): void => {
        remove();
        removeError?.();
        signal?.removeEventListener('abort', aborted);
      };
    });
  }

  /** Adds a listener to an emitter or an EventTarget; answers what removes it. */
  function attach(emitter: unknown, name: Name, listener: Listener, isOnce: boolean): () => void {
    if (isEmitter(emitter)) {
      if (isOnce) emitter.once(name, listener);
      else emitter.on(name, listener);
      return () => void emitter.removeListener(name, listener);
    }
    const target = emitter as EventTargetLike | undefined;
    if (typeof target?.addEventListener !== 'function') throw invalidType('emitter', ['EventEmitter'], emitter);
    target.addEventListener(name as string, listener, { once: isOnce });
    return () => target.removeEventListener(name as string, listener);
  }

  interface Queue { values: unknown[][]; waiting: { resolve: (result: IteratorResult<unknown>) => void; reject: (error: unknown) => void }[]; error: unknown; failed: boolean; done: boolean }

  /** Iterates over an emitter's events, as they come. */
  function on(emitter: unknown, name: Name, options: { signal?: Signal; close?: Name[] } = {}): AsyncIterableIterator<unknown> {
    const { signal, close } = options;
    if (signal?.aborted === true) throw abortError(signal);
    const queue: Queue = { values: [], waiting: [], error: undefined, failed: false, done: false };
    const removers: (() => void)[] = [];
    const finish = (): void => {
      for (const remove of removers) remove();
      signal?.removeEventListener('abort', aborted);
      queue.done = true;
      for (const one of queue.waiting.splice(0)) one.resolve({ value: undefined, done: true });
    };
    const fail = (error: unknown): void => {
      const waiting = queue.waiting.shift();
      if (waiting !== undefined) waiting.reject(error);
      else {
        queue.error = error;
        queue.failed = true;
      }
      finish();
    };
    const aborted = (): void => fail(abortError(signal));
    removers.push(attach(emitter, name, (...args) => {
      const waiting = queue.waiting.shift();
      if (waiting !== undefined) waiting.resolve({ value: args, done: false });
      else queue.values.push(args);
    }, false));
    if (name !== 'error' && isEmitter(emitter)) removers.push(attach(emitter, 'error', fail, false));
    for (const end of close ?? []) removers.push(attach(emitter, end, finish, false));
    signal?.addEventListener('abort', aborted, { once: true });
    return {
      next(): Promise<IteratorResult<unknown>> {
        const value = queue.values.shift();
        if (value !== undefined) return Promise.resolve({ value, done: false });
        if (queue.failed) {
          queue.failed = false;
          return Promise.reject(queue.error);
        }
        if (queue.done) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve, reject) => void queue.waiting.push({ resolve, reject }));
      },
      return(): Promise<IteratorResult<unknown>> {
        finish();
        return Promise.resolve({ value: undefined, done: true });
      },
      throw(error: unknown): Promise<IteratorResult<unknown>> {
        if (!(error instanceof Error)) throw invalidType('EventEmitter.AsyncIterator', ['Error'], error);
        fail(error);
        return Promise.resolve({ value: undefined, done: true });
      },
      [Symbol.asyncIterator]() { return this; },
    } as AsyncIterableIterator<unknown>;
  }

  /** Listeners run in the context that was current when the emitter was made. */
  const resources = new WeakMap<object, { runInAsyncScope: (callback: unknown, self: unknown, ...args: unknown[]) => unknown; asyncId(): number; triggerAsyncId(): number; emitDestroy(): unknown }>();
  const makeResourceClass = (): unknown => {
    const Base = EventEmitter as unknown as new (options?: object) => Emitter;
    return class EventEmitterAsyncResource extends Base {
      constructor(options?: { name?: unknown } | string) {
        const given = typeof options === 'string' ? { name: options } : (options ?? {});
        super(given);
        resources.set(this, new (asyncHooks().AsyncResource)(given.name ?? new.target.name, given) as never);
      }
      override emit(name: Name, ...args: unknown[]): boolean {
        return (resources.get(this) as never as { runInAsyncScope: (...all: unknown[]) => boolean }).runInAsyncScope(super.emit, this, name, ...args);
      }
      emitDestroy(): void { resources.get(this)?.emitDestroy(); }
      get asyncId(): number { return resources.get(this)?.asyncId() ?? 0; }
      get triggerAsyncId(): number { return resources.get(this)?.triggerAsyncId() ?? 0; }
      get asyncResource(): unknown { return resources.get(this); }
    };
  };

  const statics: Record<string, unknown> = {
    once, on, EventEmitter, usingDomains: false, captureRejectionSymbol: REJECTION, errorMonitor: ERROR_MONITOR,
    listenerCount: (emitter: Emitter, name: Name): number => emitter.listenerCount(name),
    getEventListeners: (emitter: { listeners?: (name: Name) => Listener[] }, name: Name): Listener[] => {
      if (typeof emitter.listeners === 'function') return emitter.listeners(name);
      throw invalidType('emitter', ['EventEmitter'], emitter);
    },
    getMaxListeners: (emitter: { getMaxListeners?: () => number }): number => emitter.getMaxListeners?.() ?? defaultMaxListeners,
    setMaxListeners: (limit: unknown = defaultMaxListeners, ...emitters: { setMaxListeners?: (limit: number) => void }[]): void => {
      const checked = checkLimit(limit, 'setMaxListeners');
      if (emitters.length === 0) defaultMaxListeners = checked;
      // An EventTarget has no limit that anyone is warned about.
      for (const emitter of emitters) emitter.setMaxListeners?.(checked);
    },
    addAbortListener: (signal: unknown, listener: unknown): object => {
      if (signal === undefined) throw invalidType('signal', ['AbortSignal'], signal);
      checkObject(signal, 'signal');
      checkFunction(listener, 'listener');
      const given = signal as Signal;
      const call = listener as () => void;
      let remove = (): void => {};
      if (given.aborted) queueMicrotask(call);
      else {
        given.addEventListener('abort', call, { once: true });
        remove = () => given.removeEventListener('abort', call);
      }
      return { __proto__: null, [(Symbol as { dispose?: symbol }).dispose ?? Symbol.for('nodejs.dispose')]: remove };
    },
    init: function (this: Emitter, options?: object): void { init(this, options); },
  };
  Object.assign(EventEmitter, statics);
  Object.defineProperties(EventEmitter, {
    defaultMaxListeners: { enumerable: true, get: () => defaultMaxListeners, set: (value: unknown) => void (defaultMaxListeners = checkLimit(value, 'defaultMaxListeners')) },
    captureRejections: {
      enumerable: true, get: () => (EventEmitter as unknown as Record<symbol, boolean>)[captureValue] ?? false,
      set: (value: unknown) => {
        if (typeof value !== 'boolean') throw invalidType('EventEmitter.captureRejections', 'boolean', value);
        (EventEmitter as unknown as Record<symbol, boolean>)[captureValue] = value;
      },
    },
  });
  let resourceClass: unknown;
  Object.defineProperty(EventEmitter, 'EventEmitterAsyncResource', { enumerable: true, configurable: true, get: () => (resourceClass ??= makeResourceClass()) });
  return EventEmitter as unknown as { new (options?: object): Emitter; prototype: object };
});
