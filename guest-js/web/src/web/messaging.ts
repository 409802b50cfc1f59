// MessageChannel, MessagePort and MessageEvent (HTML standard, 9.4): values are copied, or moved, from one port to the other and arrive in
// tasks of their own. Both ends are in one applet: there is nobody else to talk to. Made on first use.

import { once, sequence } from '../lazy.ts';
import { freeze, push } from '../primordials.ts';
import { dictionary, domString, finishInterface, isObject, required, usvString } from '../webidl.ts';
import { DOMException } from './dom-exception.ts';
import { dispatch, Event, EventTarget, eventHandler, initializeEvent, isEventTarget, trusted } from './event.ts';
import { cloneWithTransfer, registerMove } from './structured-clone.ts';
import { runTask } from './timers.ts';

interface Message { readonly data: unknown; readonly ports: readonly object[] }
interface PortState {
  /** The object that stands for this end; another one after a transfer. */
  port: object | undefined;
  /** The other end; undefined when either is closed. */
  other: PortState | undefined;
  /** What has arrived and waits for `start`. */
  queue: Message[];
  isStarted: boolean;
  isDetached: boolean;
}

export const messaging = once(() => {
  let stateOf!: (port: MessagePort) => PortState;
  let isPort!: (value: unknown) => value is MessagePort;
  let made: PortState | undefined;

  class MessageEvent extends Event {
    #data: unknown;
    #origin: string;
    #lastEventId: string;
    #source: object | null;
    #ports: readonly object[];
    constructor(type: unknown, init?: unknown) {
      required(arguments.length, 1, 'MessageEvent');
      super(type, init);
      const options = dictionary(init, 'MessageEvent');
      this.#data = options['data'] === undefined ? null : options['data'];
      this.#lastEventId = options['lastEventId'] === undefined ? '' : domString(options['lastEventId']);
      this.#origin = options['origin'] === undefined ? '' : usvString(options['origin']);
      this.#ports = portsOf(options['ports']);
      this.#source = sourceOf(options['source']);
    }
    get data(): unknown { return this.#data; }
    get origin(): string { return this.#origin; }
    get lastEventId(): string { return this.#lastEventId; }
    get source(): object | null { return this.#source; }
    get ports(): readonly object[] { return this.#ports; }
    initMessageEvent(
      type: unknown, bubbles?: unknown, cancelable?: unknown, data: unknown = null, origin: unknown = '', lastEventId: unknown = '', source: unknown = null,
      ports: unknown = [],
    ): void {
      required(arguments.length, 1, 'initMessageEvent');
      if (!initializeEvent(this, type, bubbles, cancelable)) return;
      this.#data = data;
      this.#origin = usvString(origin);
      this.#lastEventId = domString(lastEventId);
      this.#source = sourceOf(source);
      this.#ports = portsOf(ports);
    }
  }
  finishInterface(MessageEvent, 'MessageEvent', ':1 initMessageEvent:1');

  function sourceOf(value: unknown): object | null {
    if (value === undefined || value === null) return null;
    if (!isEventTarget(value)) throw new TypeError('MessageEvent: the source must be a MessagePort');
    return value;
  }

  function portsOf(value: unknown): readonly object[] {
    const list = value === undefined ? [] : sequence(value, 'MessageEvent: the ports');
    for (let i = 0; i < list.length; i++) if (!isPort(list[i])) throw new TypeError('MessageEvent: the ports must be MessagePorts');
    return freeze(list) as readonly object[];
  }

  class MessagePort extends EventTarget {
    readonly #state: PortState;
    declare onmessage: ((event: unknown) => unknown) | null;
    declare onmessageerror: ((event: unknown) => unknown) | null;
    static {
      stateOf = (port) => port.#state;
      isPort = (value): value is MessagePort => typeof value === 'object' && value !== null && #state in value;
    }
    constructor() {
      if (made === undefined) throw new TypeError('Illegal constructor');
      super();
      this.#state = made;
    }
    postMessage(message: unknown, options?: unknown): void {
      required(arguments.length, 1, 'postMessage');
      const state = this.#state;
      const transfer = isObject(options) && (options as { [Symbol.iterator]?: unknown })[Symbol.iterator] !== undefined
        ? options : dictionary(options, 'postMessage')['transfer'];
      const list = transfer === undefined ? [] : sequence(transfer, 'transfer');
      let isDoomed = false;
      for (let i = 0; i < list.length; i++) {
        const item = list[i];
        if (item === this) throw new DOMException('a port cannot be sent through itself', 'DataCloneError');
        if (isPort(item) && state.other !== undefined && stateOf(item) === state.other) isDoomed = true;
      }
      const { value, moved } = cloneWithTransfer(message, list);
      // A port sent to itself arrives nowhere.
      if (state.other === undefined || isDoomed) return;
      const ports: object[] = [];
      for (let i = 0; i < moved.length; i++) if (isPort(moved[i])) push(ports, moved[i] as object);
      push(state.other.queue, { data: value, ports });
      if (state.other.isStarted) schedule(state.other);
    }
    start(): void { start(this.#state); }
    close(): void {
      const state = this.#state;
      const { other } = state;
      state.other = undefined;
      if (other === undefined) return;
      other.other = undefined;
      // What was sent before still arrives.
      runTask(() => void (other.port !== undefined && dispatch(other.port, trusted(new Event('close')))));
    }
  }
  eventHandler(MessagePort.prototype, 'message', undefined, (port: MessagePort) => start(stateOf(port)));
  eventHandler(MessagePort.prototype, 'messageerror');
  eventHandler(MessagePort.prototype, 'close');
  finishInterface(MessagePort, 'MessagePort', 'postMessage:1');

  function start(state: PortState): void {
    if (state.isStarted || state.isDetached) return;
    state.isStarted = true;
    for (let i = 0; i < state.queue.length; i++) schedule(state);
  }

  /** One task for each message; a port that has been sent on in between takes its messages along. */
  function schedule(state: PortState): void {
    runTask(() => {
      if (!state.isStarted || state.port === undefined) return;
      const message = state.queue[0];
      if (message === undefined) return;
      state.queue = state.queue.slice(1);
      const { data, ports } = message;
      dispatch(state.port, trusted(new MessageEvent('message', { data, ports })));
    });
  }

  function newPort(state: PortState): MessagePort {
    made = state;
    try {
      const port = new MessagePort();
      state.port = port;
      return port;
    } finally {
      made = undefined;
    }
  }

  function blank(): PortState { return { port: undefined, other: undefined, queue: [], isStarted: false, isDetached: false }; }

  class MessageChannel {
    readonly #one: MessagePort;
    readonly #two: MessagePort;
    constructor() {
      const one = blank();
      const two = blank();
      one.other = two;
      two.other = one;
      this.#one = newPort(one);
      this.#two = newPort(two);
    }
    get port1(): MessagePort { return this.#one; }
    get port2(): MessagePort { return this.#two; }
  }
  finishInterface(MessageChannel, 'MessageChannel');

  registerMove((value) => {
    if (!isPort(value)) return undefined;
    const from = stateOf(value);
    if (from.isDetached) throw new DOMException('a port that has been transferred cannot be transferred again', 'DataCloneError');
    const to = blank();
    return {
      value: newPort(to),
      finish: () => {
        to.other = from.other;
        to.queue = from.queue;
        if (to.other !== undefined) to.other.other = to;
        from.other = undefined;
        from.queue = [];
        from.isDetached = true;
        from.isStarted = false;
      },
    };
  });

  return { MessageEvent, MessagePort, MessageChannel };
});
