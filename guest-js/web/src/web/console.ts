// console: each call is one log line of the invocation (it may hold line breaks; the host keeps it one record).

import { arrayJoin, defineProperty, mapDelete, mapGet, mapSet, repeat, SavedMap, split } from '../primordials.ts';
import { cut, MESSAGE_CHARS_MAX } from '../sdk/log.ts';
import { native } from '../native.ts';
import { stackHere } from '../sdk-error.ts';
import { formatArguments } from './format.ts';
import { inspect } from './inspect.ts';
import { table } from './table.ts';

const ORIGIN_CONSOLE = 0;
const DEBUG = 0;
const INFO = 1;
const WARN = 2;
const ERROR = 3;
/** Levels of console.group that still indent. */
const GROUPS_MAX = 40;

let groups = 0;
const counts = new SavedMap<string, number>();
const starts = new SavedMap<string, number>();

function write(level: number, text: string): void {
  let message = cut(text, MESSAGE_CHARS_MAX * 16);
  if (groups > 0) {
    const margin = repeat('  ', groups > GROUPS_MAX ? GROUPS_MAX : groups);
    message = margin + arrayJoin(split(message, '\n'), `\n${margin}`);
  }
  native.log(ORIGIN_CONSOLE, level, message, []);
}

function label(value: unknown): string { return value === undefined ? 'default' : `${value as string}`; }

function duration(us: number): string {
  if (us >= 60_000_000) return `${(us / 60_000_000).toFixed(3)}m`;
  return us >= 1_000_000 ? `${(us / 1_000_000).toFixed(3)}s` : `${us / 1000}ms`;
}

function elapsed(name: string): string | undefined {
  const start = mapGet(starts, name);
  if (start === undefined) {
    write(WARN, `No such label '${name}' for console.time()`);
    return undefined;
  }
  return `${name}: ${duration(native.nowUs() - start)}`;
}

export function print(...args: unknown[]): void { write(INFO, formatArguments(args)); }

const methods = {
  log(...args: unknown[]): void { write(INFO, formatArguments(args)); },
  info(...args: unknown[]): void { write(INFO, formatArguments(args)); },
  debug(...args: unknown[]): void { write(DEBUG, formatArguments(args)); },
  warn(...args: unknown[]): void { write(WARN, formatArguments(args)); },
  error(...args: unknown[]): void { write(ERROR, formatArguments(args)); },
  trace(...args: unknown[]): void {
    const text = formatArguments(args);
    write(DEBUG, `Trace${text === '' ? '' : `: ${text}`}\n${stackHere()}`);
  },
  /** Lines that have been written stay: there is no screen to clear. */
  clear(): void { groups = 0; },
  assert(condition?: unknown, ...args: unknown[]): void {
    if (condition) return;
    if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
    else if (args.length === 0) args[0] = 'Assertion failed';
    else {
      write(ERROR, `Assertion failed ${formatArguments(args)}`);
      return;
    }
    write(ERROR, formatArguments(args));
  },
  dir(value?: unknown, options?: { depth?: number | null }): void {
    const depth = typeof options === 'object' && options !== null ? options.depth : undefined;
    write(INFO, inspect(value, depth === null ? Infinity : typeof depth === 'number' ? depth : undefined));
  },
  dirxml(...args: unknown[]): void { write(INFO, formatArguments(args)); },
  table(data?: unknown, columns?: unknown): void { write(INFO, table(data, columns) ?? formatArguments([data])); },
  count(name?: unknown): void {
    const key = label(name);
    const count = (mapGet(counts, key) ?? 0) + 1;
    mapSet(counts, key, count);
    write(INFO, `${key}: ${count}`);
  },
  countReset(name?: unknown): void { if (!mapDelete(counts, label(name))) write(WARN, `Count for '${label(name)}' does not exist`); },
  time(name?: unknown): void {
    const key = label(name);
    if (mapGet(starts, key) !== undefined) write(WARN, `Label '${key}' already exists for console.time()`);
    else mapSet(starts, key, native.nowUs());
  },
  timeLog(name?: unknown, ...args: unknown[]): void {
    const text = elapsed(label(name));
    if (text !== undefined) write(INFO, args.length === 0 ? text : `${text} ${formatArguments(args)}`);
  },
  timeEnd(name?: unknown): void {
    const text = elapsed(label(name));
    if (text === undefined) return;
    mapDelete(starts, label(name));
    write(INFO, text);
  },
  group(...args: unknown[]): void {
    if (args.length > 0) write(INFO, formatArguments(args));
    groups++;
  },
  groupCollapsed(...args: unknown[]): void {
    if (args.length > 0) write(INFO, formatArguments(args));
    groups++;
  },
  groupEnd(): void { if (groups > 0) groups--; },
};

/** A namespace object: its prototype is an empty object, as the Console standard has it. */
export const consoleObject: object = Object.create({});
for (const [name, method] of Object.entries(methods)) {
  // All parameters of a namespace's operations are optional.
  defineProperty(method, 'length', { value: 0, configurable: true });
  defineProperty(consoleObject, name, { value: method, writable: true, enumerable: true, configurable: true });
}
defineProperty(consoleObject, Symbol.toStringTag, { value: 'console', configurable: true });
