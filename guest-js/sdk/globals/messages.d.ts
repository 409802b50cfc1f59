// MessageChannel (HTML, 9.4): two ports of one sandbox.

interface MessageEvent<T = any> extends Event {
  readonly data: T;
  readonly origin: string;
  readonly lastEventId: string;
  readonly source: object | null;
  readonly ports: readonly MessagePort[];
}
declare var MessageEvent: {
  prototype: MessageEvent;
  new <T>(type: string, init?: EventInit & { data?: T; origin?: string; lastEventId?: string; ports?: readonly MessagePort[] }): MessageEvent<T>;
};
interface MessagePort extends EventTarget {
  onmessage: ((event: MessageEvent) => unknown) | null;
  onmessageerror: ((event: MessageEvent) => unknown) | null;
  onclose: ((event: Event) => unknown) | null;
  postMessage(message: unknown, transfer?: readonly object[] | { transfer?: readonly object[] }): void;
  start(): void;
  close(): void;
}
declare var MessagePort: abstract new (...never: never) => MessagePort;
interface MessageChannel {
  readonly port1: MessagePort;
  readonly port2: MessagePort;
}
declare var MessageChannel: { prototype: MessageChannel; new (): MessageChannel };
