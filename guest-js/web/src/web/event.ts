// Event, CustomEvent and EventTarget (DOM standard, 2). There is no tree: an event has one target and a path of one, with its capturing
// listeners first. The global object is a target like others; what it hears of is told by report.ts.

import { apply, copyArray, defineProperty, mapGet, mapSet, push, SavedMap, uncurryThis } from '../primordials.ts';
import { dictionary, domString, finishInterface, isObject, required } from '../webidl.ts';
import { now } from './clock.ts';

interface EventState {
  type: string; bubbles: boolean; cancelable: boolean; readonly composed: boolean; readonly timeStamp: number;
  target: object | null; currentTarget: object | null; phase: number;
  canceled: boolean; stopped: boolean; stoppedAtOnce: boolean; dispatching: boolean; passive: boolean; trusted: boolean;
}

let stateOf: (event: Event) => EventState;
export let isEvent: (value: unknown) => value is Event;

export class Event {
  static readonly NONE = 0;
  static readonly CAPTURING_PHASE = 1;
  static readonly AT_TARGET = 2;
  static readonly BUBBLING_PHASE = 3;
  readonly #state: EventState;
  declare readonly isTrusted: boolean;
  static {
    stateOf = (event) => event.#state;
    isEvent = (value): value is Event => typeof value === 'object' && value !== null && #state in value;
  }
  constructor(type: unknown, init?: unknown) {
    required(arguments.length, 1, 'Event');
    const name = domString(type);
    const options = dictionary(init, 'Event');
    this.#state = {
      type: name, bubbles: !!options['bubbles'], cancelable: !!options['cancelable'], composed: !!options['composed'], timeStamp: now(),
      target: null, currentTarget: null, phase: 0, canceled: false, stopped: false, stoppedAtOnce: false, dispatching: false, passive: false, trusted: false,
    };
    defineProperty(this, 'isTrusted', IS_TRUSTED);
  }
  get type(): string { return this.#state.type; }
  get bubbles(): boolean { return this.#state.bubbles; }
  get cancelable(): boolean { return this.#state.cancelable; }
  get composed(): boolean { return this.#state.composed; }
  get timeStamp(): number { return this.#state.timeStamp; }
  get target(): object | null { return this.#state.target; }
  get srcElement(): object | null { return this.#state.target; }
  get currentTarget(): object | null { return this.#state.currentTarget; }
  get eventPhase(): number { return this.#state.phase; }
  get defaultPrevented(): boolean { return this.#state.canceled; }
  get returnValue(): boolean { return !this.#state.canceled; }
  set returnValue(value: unknown) { if (!value) cancel(this.#state); }
  get cancelBubble(): boolean { return this.#state.stopped; }
  set cancelBubble(value: unknown) { if (value) this.#state.stopped = true; }
  composedPath(): object[] { return this.#state.currentTarget === null ? [] : [this.#state.currentTarget]; }
  preventDefault(): void { cancel(this.#state); }
  stopPropagation(): void { this.#state.stopped = true; }
  stopImmediatePropagation(): void {
    this.#state.stopped = true;
    this.#state.stoppedAtOnce = true;
  }
  initEvent(type: unknown, bubbles?: unknown, cancelable?: unknown): void {
    required(arguments.length, 1, 'initEvent');
    initialize(this.#state, domString(type), !!bubbles, !!cancelable);
  }
}
// Of each event, and one getter for all ([LegacyUnforgeable]).
const IS_TRUSTED: PropertyDescriptor = { __proto__: null, get: function isTrusted(this: Event) { return stateOf(this).trusted; }, enumerable: true } as never;
finishInterface(Event, 'Event', ':1 initEvent:1');
for (const name of ['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE'] as const) {
  for (const holder of [Event, Event.prototype]) defineProperty(holder, name, { value: Event[name], enumerable: true, writable: false, configurable: false });
}

function cancel(state: EventState): void { if (state.cancelable && !state.passive) state.canceled = true; }

/** Of `initEvent` and its siblings: false while the event is being dispatched, when they do nothing. */
function initialize(state: EventState, type: string, bubbles: boolean, cancelable: boolean): boolean {
  if (state.dispatching) return false;
  state.stopped = false;
  state.stoppedAtOnce = false;
  state.canceled = false;
  state.trusted = false;
  state.target = null;
  state.type = type;
  state.bubbles = bubbles;
  state.cancelable = cancelable;
  return true;
}
export function initializeEvent(event: Event, type: unknown, bubbles: unknown, cancelable: unknown): boolean {
  return initialize(stateOf(event), domString(type), !!bubbles, !!cancelable);
}

export class CustomEvent extends Event {
  #detail: unknown;
  constructor(type: unknown, init?: unknown) {
    required(arguments.length, 1, 'CustomEvent');
    super(type, init);
    this.#detail = dictionary(init, 'CustomEvent')['detail'] ?? null;
  }
  get detail(): unknown { return this.#detail; }
  initCustomEvent(type: unknown, bubbles?: unknown, cancelable?: unknown, detail: unknown = null): void {
    required(arguments.length, 1, 'initCustomEvent');
    if (initializeEvent(this, type, bubbles, cancelable)) this.#detail = detail;
  }
}
finishInterface(CustomEvent, 'CustomEvent', ':1 initCustomEvent:1');

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };
interface Registration { readonly listener: Listener; readonly capture: boolean; readonly once: boolean; readonly passive: boolean; removed: boolean }
type Listeners = Map<string, Registration[]>;

const { globalThis: theGlobal } = globalThis as unknown as { globalThis: object };
let listenersOfGlobal: Listeners | undefined;

/** The listeners of a target; methods called on nothing mean the global object. */
let listenersOf: (target: unknown) => Listeners;
/** The same, but undefined when there have never been any. */
let listenersIn: (target: object) => Listeners | undefined;
export let isEventTarget: (value: unknown) => value is EventTarget;
/** Runs `then` when the signal aborts, false when it has; set by abort.ts, which knows signals. Throws TypeError for anything else. */
let onAbort: ((signal: unknown, then: () => void) => boolean) | undefined;
export function setAbortHook(hook: (signal: unknown, then: () => void) => boolean): void { onAbort = hook; }

export class EventTarget {
  #listeners: Listeners | undefined;
  static {
    listenersOf = (target) => {
      if (target === undefined || target === null || target === theGlobal) return (listenersOfGlobal ??= new SavedMap());
      return ((target as EventTarget).#listeners ??= new SavedMap());
    };
    listenersIn = (target) => (target === theGlobal ? listenersOfGlobal : (target as EventTarget).#listeners);
    isEventTarget = (value): value is EventTarget => typeof value === 'object' && value !== null && (#listeners in value || value === theGlobal);
  }

  addEventListener(type: unknown, listener: unknown, options?: unknown): void {
    required(arguments.length, 2, 'addEventListener');
    const all = listenersOf(this);
    const name = domString(type);
    if (listener !== null && listener !== undefined && !isObject(listener)) throw new TypeError('addEventListener: the listener must be a function or an object');
    const given = isObject(options) ? (options as Record<string, unknown>) : undefined;
    const capture = given === undefined ? !!options : !!given['capture'];
    const entry: Registration = {
      listener: listener as Listener, capture, once: given !== undefined && !!given['once'], passive: given !== undefined && !!given['passive'], removed: false,
    };
    const signal = given === undefined ? undefined : given['signal'];
    // An aborted signal means that the listener is not added at all.
    if (signal !== undefined && onAbort !== undefined && !onAbort(signal, () => remove(all, name, entry.listener, capture))) return;
    if (listener === null || listener === undefined) return;
    const list = mapGet(all, name) ?? [];
    for (let i = 0; i < list.length; i++) if ((list[i] as Registration).listener === listener && (list[i] as Registration).capture === capture) return;
    push(list, entry);
    mapSet(all, name, list);
  }

  removeEventListener(type: unknown, listener: unknown, options?: unknown): void {
    required(arguments.length, 2, 'removeEventListener');
    const all = listenersOf(this);
    const name = domString(type);
    if (listener !== null && listener !== undefined && !isObject(listener)) throw new TypeError('removeEventListener: the listener must be a function or an object');
    remove(all, name, listener, isObject(options) ? !!(options as Record<string, unknown>)['capture'] : !!options);
  }

  dispatchEvent(event: unknown): boolean {
    required(arguments.length, 1, 'dispatchEvent');
    listenersOf(this);
    if (!isEvent(event)) throw new TypeError('dispatchEvent: the argument must be an Event');
    const state = stateOf(event);
    if (state.dispatching) throw new (dispatchError as NonNullable<typeof dispatchError>)('the event is already being dispatched', 'InvalidStateError');
    state.trusted = false;
    return dispatch(this ?? (theGlobal as EventTarget), event);
  }
}
finishInterface(EventTarget, 'EventTarget', 'addEventListener:2 removeEventListener:2');
const addListener = uncurryThis(EventTarget.prototype.addEventListener) as (self: unknown, type: string, listener: unknown) => void;

let dispatchError: (new (message: string, name: string) => Error) | undefined;
export function setDispatchError(constructor: new (message: string, name: string) => Error): void { dispatchError = constructor; }
/** Tells an error that nobody can catch; set by report.ts, which tells it by an event. */
let reportException: ((error: unknown) => void) | undefined;
export function setExceptionHook(hook: (error: unknown) => void): void { reportException = hook; }

function remove(all: Listeners, type: string, listener: unknown, capture: boolean): void {
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

/** Whether anybody listens to events of this type. */
export function isHeard(target: object, type: string): boolean {
  const all = listenersIn(target);
  return all !== undefined && (mapGet(all, type)?.length ?? 0) > 0;
}

function invoke(target: object, event: Event, state: EventState, list: readonly Registration[], capture: boolean): void {
  for (let i = 0; i < list.length && !state.stoppedAtOnce; i++) {
    const entry = list[i] as Registration;
    if (entry.removed || entry.capture !== capture) continue;
    if (entry.once) remove(listenersOf(target), state.type, entry.listener, capture);
    state.passive = entry.passive;
    try {
      const { listener } = entry;
      if (typeof listener === 'function') apply(listener, target, [event]);
      else {
        const { handleEvent } = listener;
        if (typeof handleEvent !== 'function') throw new TypeError('the listener has no function handleEvent');
        apply(handleEvent, listener, [event]);
      }
    } catch (error) {
      reportException?.(error);
    }
    state.passive = false;
  }
}

/** Calls the listeners; an error of one does not stop the others. Answers whether the event was not canceled. */
export function dispatch(target: object, event: Event): boolean {
  const state = stateOf(event);
  state.dispatching = true;
  state.target = target;
  state.currentTarget = target;
  state.phase = Event.AT_TARGET;
  const all = listenersIn(target);
  const list = all === undefined ? undefined : mapGet(all, state.type);
  if (list !== undefined && list.length > 0) {
    const listed = copyArray(list);
    if (!state.stopped) invoke(target, event, state, listed, true);
    if (!state.stopped) invoke(target, event, state, listed, false);
  }
  state.stopped = false;
  state.stoppedAtOnce = false;
  state.dispatching = false;
  state.phase = Event.NONE;
  state.currentTarget = null;
  return !state.canceled;
}

/** Marks an event as made by the platform itself. */
export function trusted<T extends Event>(event: T): T {
  stateOf(event).trusted = true;
  return event;
}

type Handler = (this: unknown, ...args: unknown[]) => unknown;
interface HandlerEntry { handler: object | null; readonly listener: (this: unknown, event: Event) => void }

/**
 * Gives an object an `on…` attribute (HTML standard, 8.1.8.1): one listener among the others, in its place from when it was first set.
 * `argumentsOf` tells what the handler is called with when that is not the event; such a handler cancels by `true`. `isSet` hears of a handler.
 */
export function eventHandler(
  holder: object, type: string, argumentsOf?: (event: Event) => unknown[] | undefined, isSet?: (target: never) => void,
): void {
  const handlers = new WeakMap<object, HandlerEntry>();
  const get = uncurryThis(WeakMap.prototype.get).bind(undefined, handlers) as unknown as (key: object) => HandlerEntry | undefined;
  const set = uncurryThis(WeakMap.prototype.set).bind(undefined, handlers as never) as unknown as (key: object, value: HandlerEntry) => unknown;
  const targetOf = (self: unknown): EventTarget => {
    if (holder === theGlobal) return theGlobal as EventTarget;
    listenersOf(self);
    return self as EventTarget;
  };
  const call = (entry: HandlerEntry, self: unknown, event: Event): void => {
    const { handler } = entry;
    if (typeof handler !== 'function') return;
    const args = argumentsOf?.(event);
    const result = apply(handler as Handler, self, args ?? [event]);
    if (args === undefined ? result === false : result === true) cancel(stateOf(event));
  };
  defineProperty(holder, `on${type}`, {
    configurable: true, enumerable: holder !== theGlobal,
    get(this: unknown) { return get(targetOf(this))?.handler ?? null; },
    set(this: unknown, value: unknown) {
      const target = targetOf(this);
      const handler = isObject(value) ? value : null;
      const entry = get(target);
      if (handler === null) {
        if (entry === undefined) return;
        entry.handler = null;
        remove(listenersOf(target), type, entry.listener, false);
        return;
      }
      if (entry === undefined || entry.handler === null) {
        const created: HandlerEntry = { handler, listener(this: unknown, event) { call(created, this, event); } };
        set(target, created);
        addListener(target, type, created.listener);
      } else {
        entry.handler = handler;
      }
      isSet?.(target as never);
    },
  });
}
