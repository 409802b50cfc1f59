// Parts of the platform that most applets never use: made on first use, so that the base image holds their code but not their
// objects, and a collection of garbage does not walk them.

import { apply, push } from './primordials.ts';
import { isObject } from './webidl.ts';

const { defineProperty: tryDefine } = Reflect;

export interface Once<T> {
  (): T;
  /** What was made; undefined before the first use. Lets others ask "is it one of yours?" without making anything. */
  readonly made: () => T | undefined;
}

/** Calls `make` on the first use only. */
export function once<T extends object>(make: () => T): Once<T> {
  let value: T | undefined;
  const get = (): T => (value ??= make());
  return Object.assign(get, { made: () => value });
}

/** Installs members of what `make` gives as globals that come into being when they are first read. */
export function installLazily(names: string, make: () => object): void {
  for (const name of names.split(' ')) {
    const settle = (value: unknown): unknown => {
      // Of a frozen global object the getter stays, and gives the same value each time.
      tryDefine(globalThis, name, { __proto__: null, value, writable: true, configurable: true, enumerable: false } as PropertyDescriptor);
      return value;
    };
    const accessor = {
      __proto__: null, configurable: true, enumerable: false,
      get: () => settle((make() as Record<string, unknown>)[name]),
      set: (value: unknown) => void settle(value),
    };
    tryDefine(globalThis, name, accessor as PropertyDescriptor);
  }
}

/** The values of an iterable argument, as Web IDL's sequence; each is converted before the next is asked for. */
export function sequence(value: unknown, what: string): unknown[];
export function sequence<T>(value: unknown, what: string, convert: (item: unknown) => T): T[];
export function sequence(value: unknown, what: string, convert?: (item: unknown) => unknown): unknown[] {
  const method = isObject(value) ? (value as Iterable<unknown>)[Symbol.iterator] : undefined;
  if (typeof method !== 'function') throw new TypeError(`${what} must be an iterable object`);
  const list: unknown[] = [];
  const iterator = apply(method, value, []) as Iterator<unknown>;
  const { next } = iterator;
  for (;;) {
    const step = apply(next, iterator, []) as IteratorResult<unknown>;
    if (step.done === true) return list;
    push(list, convert === undefined ? step.value : convert(step.value));
  }
}
