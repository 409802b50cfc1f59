// node:diagnostics_channel: named channels between parts of one program.

import { once } from '../lazy.ts';
import { reportException } from '../web/report.ts';
import { checkFunction, invalidType } from './errors.ts';
import { nextTick } from './ticks.ts';

type Name = string | symbol;
type Subscriber = (message: unknown, name: Name) => void;
type Callable = (...args: unknown[]) => unknown;

/** An AsyncLocalStorage, and what makes its store of a message. */
interface Storage { run(store: unknown, call: () => unknown): unknown }

export const diagnosticsChannel = once(() => {
  class Channel {
    readonly name: Name;
    #subscribers: readonly Subscriber[] = [];
    readonly #stores = new Map<Storage, ((message: unknown) => unknown) | undefined>();
    constructor(name: Name) { this.name = name; }
    get hasSubscribers(): boolean { return this.#subscribers.length > 0 || this.#stores.size > 0; }
    subscribe(subscriber: unknown): void {
      checkFunction(subscriber, 'subscription');
      this.#subscribers = [...this.#subscribers, subscriber as Subscriber];
    }
    unsubscribe(subscriber: unknown): boolean {
      const at = this.#subscribers.indexOf(subscriber as Subscriber);
      if (at >= 0) this.#subscribers = this.#subscribers.filter((_, index) => index !== at);
      return at >= 0;
    }
    publish(message: unknown): void {
      for (const subscriber of this.#subscribers) {
        try {
          subscriber(message, this.name);
        } catch (error) {
          nextTick(reportException, error);
        }
      }
    }
    bindStore(store: Storage, transform?: (message: unknown) => unknown): void { this.#stores.set(store, transform); }
    unbindStore(store: Storage): boolean { return this.#stores.delete(store); }
    runStores(message: unknown, call: Callable, thisArg?: unknown, ...args: unknown[]): unknown {
      let run = (): unknown => {
        this.publish(message);
        return Reflect.apply(call, thisArg, args);
      };
      for (const [store, transform] of this.#stores) {
        const inner = run;
        run = () => store.run(transform === undefined ? message : transform(message), inner);
      }
      return run();
    }
  }

  const channels = new Map<Name, Channel>();
  function channel(name: unknown): Channel {
    if (typeof name !== 'string' && typeof name !== 'symbol') throw invalidType('channel', ['string', 'symbol'], name);
    let found = channels.get(name);
    if (found === undefined) channels.set(name, (found = new Channel(name)));
    return found;
  }

  const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;
  class TracingChannel {
    readonly start!: Channel;
    readonly end!: Channel;
    readonly asyncStart!: Channel;
    readonly asyncEnd!: Channel;
    readonly error!: Channel;
    constructor(given: unknown) {
      for (const event of EVENTS) {
        const one = typeof given === 'string' ? channel(`tracing:${given}:${event}`) : (given as Record<string, Channel>)[event];
        Object.defineProperty(this, event, { value: one, enumerable: true });
      }
    }
    get hasSubscribers(): boolean { return EVENTS.some((event) => this[event].hasSubscribers); }
    subscribe(handlers: Partial<Record<string, unknown>>): void { for (const event of EVENTS) if (handlers[event]) this[event].subscribe(handlers[event]); }
    unsubscribe(handlers: Partial<Record<string, unknown>>): boolean {
      let all = true;
      for (const event of EVENTS) if (handlers[event] && !this[event].unsubscribe(handlers[event])) all = false;
      return all;
    }
    traceSync(call: Callable, context: Record<string, unknown> = {}, thisArg?: unknown, ...args: unknown[]): unknown {
      if (!this.hasSubscribers) return Reflect.apply(call, thisArg, args);
      return this.#traced(context, () => (context['result'] = Reflect.apply(call, thisArg, args)));
    }
    /** Tells of start and end, and of what is thrown between. */
    #traced(context: Record<string, unknown>, work: () => unknown): unknown {
      return this.start.runStores(context, () => {
        try {
          return work();
        } catch (error) {
          context['error'] = error;
          this.error.publish(context);
          throw error;
        } finally {
          this.end.publish(context);
        }
      });
    }
    tracePromise(call: Callable, context: Record<string, unknown> = {}, thisArg?: unknown, ...args: unknown[]): unknown {
      if (!this.hasSubscribers) return Reflect.apply(call, thisArg, args);
      const settled = (key: 'result' | 'error', value: unknown): unknown => {
        context[key] = value;
        if (key === 'error') this.error.publish(context);
        this.asyncStart.publish(context);
        this.asyncEnd.publish(context);
        if (key === 'error') throw value;
        return value;
      };
      return this.#traced(context, () =>
        Promise.resolve(Reflect.apply(call, thisArg, args)).then((value) => settled('result', value), (error: unknown) => settled('error', error)));
    }
  }

  return {
    channel, Channel,
    hasSubscribers: (name: Name): boolean => channels.get(name)?.hasSubscribers ?? false,
    subscribe: (name: Name, subscriber: unknown): void => channel(name).subscribe(subscriber),
    unsubscribe: (name: Name, subscriber: unknown): boolean => channel(name).unsubscribe(subscriber),
    tracingChannel: (given: unknown): TracingChannel => new TracingChannel(given),
  };
});
