// Event, CustomEvent and EventTarget. There is no tree: an event has one target, and no capture or bubble phase to pass through.

import { copyArray, mapGet, mapSet, promiseReject, push, SavedMap } from '../primordials.ts';
import { dictionary, finishInterface } from '../webidl.ts';
import { now } from './performance.ts';

interface EventState {
  type: string; bubbles: boolean; cancelable: boolean; composed: boolean; timeStamp: number;
  target: EventTarget | null; currentTarget: EventTarget | null; phase: number;
  canceled: boolean; stopped: boolean; dispatching: boolean; passive: boolean; trusted: boolean;
}

let stateOf: (event: Event) => EventState;
let isEvent: (value: unknown) => value is Event;

export class Event {
  static readonly NONE = 0;
  static readonly CAPTURING_PHASE = 1;
  static readonly AT_TARGET = 2;
  static readonly BUBBLING_PHASE = 3;
  readonly #state: EventState;
  static {
    stateOf = (event) => event.#state;
    isEvent = (value): value is Event => typeof value === 'object' && value !== null && #state in value;
  }
  constructor(type: unknown, init?: unknown) {
    if (arguments.length === 0) throw new TypeError('Event: give a type');
    const options = dictionary(init, 'Event');
    this.#state = {
      type: `${type as string}`, bubbles: !!options['bubbles'], cancelable: !!options['cancelable'], composed: !!options['composed'], timeStamp: now(),
      target: null, currentTarget: null, phase: 0, canceled: false, stopped: false, dispatching: false, passive: false, trusted: false,
    };
  }
  get type(): string { return this.#state.type; }
  get bubbles(): boolean { return this.#state.bubbles; }
  get cancelable(): boolean { return this.#state.cancelable; }
  get composed(): boolean { return this.#state.composed; }
  get timeStamp(): number { return this.#state.timeStamp; }
  get target(): EventTarget | null { return this.#state.target; }
  get srcElement(): EventTarget | null { return this.#state.target; }
  get currentTarget(): EventTarget | null { return this.#state.currentTarget; }
  get eventPhase(): number { return this.#state.phase; }
  get defaultPrevented(): boolean { return this.#state.canceled; }
  get returnValue(): boolean { return !this.#state.canceled; }
  get isTrusted(): boolean { return this.#state.trusted; }
  get cancelBubble(): boolean { return this.#state.stopped; }
  composedPath(): EventTarget[] { return this.#state.currentTarget === null ? [] : [this.#state.currentTarget]; }
  preventDefault(): void { if (this.#state.cancelable && !this.#state.passive) this.#state.canceled = true; }
  /** With one target there is nothing to propagate to. */
  stopPropagation(): void { void this.#state; }
  stopImmediatePropagation(): void { this.#state.stopped = true; }
}
finishInterface(Event, 'Event');

export class CustomEvent extends Event {
  readonly #detail: unknown;
  constructor(type: unknown, init?: unknown) {
    super(type, init);
    this.#detail = dictionary(init, 'CustomEvent')['detail'] ?? null;
  }
  get detail(): unknown { return this.#detail; }
}
finishInterface(CustomEvent, 'CustomEvent');

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };
interface Registration { readonly listener: Listener; readonly capture: boolean; readonly once: boolean; readonly passive: boolean; removed: boolean }

let listenersOf: (target: EventTarget) => Map<string, Registration[]>;
/** Adds a listener when the signal aborts; set by abort.ts, which knows signals. */
let onAbort: ((signal: unknown, then: () => void) => boolean) | undefined;
export function setAbortHook(hook: (signal: unknown, then: () => void) => boolean): void { onAbort = hook; }

export class EventTarget {
  #listeners: Map<string, Registration[]> | undefined;
  static { listenersOf = (target) => (target.#listeners ??= new SavedMap()); }

  addEventListener(type: unknown, listener: unknown, options?: unknown): void {
    const name = `${type as string}`;
    const given = typeof options === 'boolean' ? { capture: options } : dictionary(options, 'addEventListener');
    const { signal } = given as { signal?: unknown };
    const all = listenersOf(this);
    if (listener === null || listener === undefined) return;
    if (typeof listener !== 'function' && typeof listener !== 'object') throw new TypeError('addEventListener: the listener must be a function or an object');
    const entry: Registration = {
      listener: listener as Listener, capture: !!given.capture, once: !!(given as { once?: unknown }).once, passive: !!(given as { passive?: unknown }).passive, removed: false,
    };
    if (signal !== undefined) {
      // An aborted signal means that the listener is not added at all.
      if (onAbort === undefined || !onAbort(signal, () => remove(this, name, entry.listener, entry.capture))) return;
    }
    const list = mapGet(all, name) ?? [];
    for (let i = 0; i < list.length; i++) if ((list[i] as Registration).listener === listener && (list[i] as Registration).capture === entry.capture) return;
    push(list, entry);
    mapSet(all, name, list);
  }

  removeEventListener(type: unknown, listener: unknown, options?: unknown): void {
    const capture = typeof options === 'boolean' ? options : !!dictionary(options, 'removeEventListener')['capture'];
    remove(this, `${type as string}`, listener, capture);
  }

  dispatchEvent(event: unknown): boolean {
    listenersOf(this);
    if (!isEvent(event)) throw new TypeError('dispatchEvent: the argument must be an Event');
    const state = stateOf(event);
    if (state.dispatching) throw new (dispatchError as NonNullable<typeof dispatchError>)('the event is already being dispatched', 'InvalidStateError');
    state.trusted = false;
    return dispatch(this, event);
  }
}
finishInterface(EventTarget, 'EventTarget');

let dispatchError: (new (message: string, name: string) => Error) | undefined;
export function setDispatchError(constructor: new (message: string, name: string) => Error): void { dispatchError = constructor; }

function remove(target: EventTarget, type: string, listener: unknown, capture: boolean): void {
  const all = listenersOf(target);
  const list = mapGet(all, type);
  if (list === undefined) return;
  const kept: Registration[] = [];
  for (let i = 0; i < list.length; i++) {
    const entry = list[i] as Registration;
    if (entry.listener === listener && entry.capture === capture) entry.removed = true;
    else push(kept, entry);
  }
  mapSet(all, type, kept);
}

/** Calls the listeners; an error of one is told as an unhandled rejection and does not stop the others. */
export function dispatch(target: EventTarget, event: Event): boolean {
  const state = stateOf(event);
  state.dispatching = true;
  state.target = target;
  state.currentTarget = target;
  state.phase = 2;
  const list = copyArray(mapGet(listenersOf(target), state.type) ?? []);
  for (let i = 0; i < list.length && !state.stopped; i++) {
    const entry = list[i] as Registration;
    if (entry.removed) continue;
    if (entry.once) remove(target, state.type, entry.listener, entry.capture);
    state.passive = entry.passive;
    try {
      const { listener } = entry;
      if (typeof listener === 'function') Reflect.apply(listener, target, [event]);
      else listener.handleEvent(event);
    } catch (error) {
      void promiseReject(error);
    }
  }
  state.passive = false;
  state.stopped = false;
  state.dispatching = false;
  state.phase = 0;
  state.currentTarget = null;
  return !state.canceled;
}

/** An event made by the platform itself. */
export function trustedEvent(type: string): Event {
  const event = new Event(type);
  stateOf(event).trusted = true;
  return event;
}

/** Gives a class an `on…` attribute that is one listener among the others. */
export function eventHandler(prototype: object, type: string): void {
  const handlers = new WeakMap<object, { handler: ((event: Event) => unknown) | null }>();
  Object.defineProperty(prototype, `on${type}`, {
    configurable: true, enumerable: true,
    get(this: EventTarget) { return handlers.get(this)?.handler ?? null; },
    set(this: EventTarget, value: unknown) {
      const handler = typeof value === 'function' ? (value as (event: Event) => unknown) : null;
      const entry = handlers.get(this);
      if (entry !== undefined) {
        entry.handler = handler;
        return;
      }
      const created = { handler };
      handlers.set(this, created);
      this.addEventListener(type, (event: Event) => created.handler !== null && Reflect.apply(created.handler, this, [event]));
    },
  });
}
