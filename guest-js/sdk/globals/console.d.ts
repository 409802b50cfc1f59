// console: each call is one line of the invocation's log.

interface Console {
  log(...args: unknown[]): void;
  info(...args: unknown[]): void;
  debug(...args: unknown[]): void;
  warn(...args: unknown[]): void;
  error(...args: unknown[]): void;
  trace(...args: unknown[]): void;
  clear(): void;
  assert(condition?: unknown, ...args: unknown[]): void;
  dir(value?: unknown, options?: { depth?: number | null }): void;
  dirxml(...args: unknown[]): void;
  table(data?: unknown, columns?: readonly string[]): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string, ...args: unknown[]): void;
  timeEnd(label?: string): void;
  group(...args: unknown[]): void;
  groupCollapsed(...args: unknown[]): void;
  groupEnd(): void;
}
declare var console: Console;
