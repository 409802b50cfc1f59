// Errors that nobody catches (HTML, 8.1.4.6): events of the global object.

interface ErrorEvent extends Event {
  readonly message: string;
  readonly filename: string;
  readonly lineno: number;
  readonly colno: number;
  readonly error: any;
}
declare var ErrorEvent: {
  prototype: ErrorEvent;
  new (type: string, init?: EventInit & { message?: string; filename?: string; lineno?: number; colno?: number; error?: unknown }): ErrorEvent;
};
interface PromiseRejectionEvent extends Event {
  readonly promise: Promise<any>;
  readonly reason: any;
}
declare var PromiseRejectionEvent: {
  prototype: PromiseRejectionEvent;
  new (type: string, init: EventInit & { promise: Promise<unknown>; reason?: unknown }): PromiseRejectionEvent;
};

/** Events of the global object: "error", "unhandledrejection", "rejectionhandled". A listener that cancels the event settles the error. */
declare function addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
declare function removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | { capture?: boolean }): void;
declare function dispatchEvent(event: Event): boolean;
declare var onerror: ((message: string, filename: string, lineno: number, colno: number, error: any) => unknown) | null;
declare var onunhandledrejection: ((event: PromiseRejectionEvent) => unknown) | null;
declare var onrejectionhandled: ((event: PromiseRejectionEvent) => unknown) | null;
