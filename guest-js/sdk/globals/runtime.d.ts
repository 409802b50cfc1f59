// Timers, time, copies, and what else stands on globalThis.

declare function setTimeout<A extends unknown[]>(callback: (...args: A) => unknown, ms?: number, ...args: A): number;
declare function setInterval<A extends unknown[]>(callback: (...args: A) => unknown, ms?: number, ...args: A): number;
declare function clearTimeout(id?: number): void;
declare function clearInterval(id?: number): void;
declare function queueMicrotask(callback: () => void): void;
/** Tells an error as an unhandled rejection is told: on the log. */
declare function reportError(error: unknown): void;

interface StructuredSerializeOptions {
  transfer?: readonly unknown[];
}
declare function structuredClone<T>(value: T, options?: StructuredSerializeOptions): T;

/** Time passes with the fuel that is burnt, and jumps to the host's when something that was awaited is there. */
interface Performance extends EventTarget {
  /** Unix time in milliseconds when the invocation began. */
  readonly timeOrigin: number;
  /** Milliseconds since then. */
  now(): number;
  toJSON(): { timeOrigin: number };
}
declare var Performance: abstract new (...never: never) => Performance;
declare var performance: Performance;

interface Navigator {
  readonly userAgent: string;
}
declare var Navigator: abstract new (...never: never) => Navigator;
declare var navigator: Navigator;
declare var self: typeof globalThis;
