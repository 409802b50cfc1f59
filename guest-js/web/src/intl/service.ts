// How the constructors of Intl are made: members as ECMA-262 has built-in ones, and the state of an object where no applet reaches it.

import { apply, defineProperty, getOwnPropertyDescriptor, ownKeys } from '../primordials.ts';
import { isObject } from '../webidl.ts';
import { supportedLocales } from './locale.ts';

const { construct } = Reflect;

class Given { constructor(object: object) { return object; } }

interface Definition<T> {
  name: string;
  /** Whether it may be called without `new` (ECMA-402: the three oldest). */
  callable?: boolean;
  /** Makes the state of a new object. */
  create: (locales: unknown, options: unknown) => T;
  /** Members of the prototype: methods and getters. `this` is checked by `state`. */
  members: (state: (value: unknown, member: string) => T) => object;
}

export interface Service<T> {
  readonly constructor: Function;
  /** An object as `new` makes it, whatever an applet has done to the constructor since. */
  readonly make: (state: T) => object;
}

export function service<T>({ name, callable = false, create, members }: Definition<T>): Service<T> {
  class Stamped extends Given {
    readonly #state: T;
    constructor(object: object, state: T) {
      super(object);
      this.#state = state;
    }
    static state(value: unknown): T | undefined { return isObject(value) && #state in value ? value.#state : undefined; }
  }

  function Constructor(this: unknown, locales?: unknown, options?: unknown): object {
    if (new.target === undefined && !callable) throw new TypeError(`Constructor Intl.${name} requires 'new'`);
    const object = construct(Object, [], new.target ?? Constructor) as object;
    return new Stamped(object, create(locales, options));
  }
  const { prototype } = Constructor;
  defineProperty(Constructor, 'name', { value: name, configurable: true });
  defineProperty(Constructor, 'length', { value: 0, configurable: true });
  defineProperty(Constructor, 'prototype', { value: prototype, writable: false });
  addMembers(Constructor, {
    supportedLocalesOf(locales: unknown, options: unknown = undefined): string[] { return supportedLocales(locales, options); },
  });
  addMembers(prototype, members((value, member) => {
    const state = Stamped.state(value);
    if (state === undefined) throw new TypeError(`Method Intl.${name}.prototype.${member} called on incompatible receiver`);
    return state;
  }));
  defineProperty(prototype, Symbol.toStringTag, { value: `Intl.${name}`, configurable: true });
  return { constructor: Constructor, make: (state) => new Stamped(construct(Object, [], Constructor) as object, state) };
}

/** Adds the members of an object literal, not enumerable. */
export function addMembers(target: object, members: object): void {
  const names = ownKeys(members);
  for (let i = 0; i < names.length; i++) {
    const key = names[i] as PropertyKey;
    const descriptor = getOwnPropertyDescriptor(members, key) as PropertyDescriptor;
    defineProperty(target, key, { ...descriptor, enumerable: false });
  }
}

/** ToPrimitive with hint number (ECMA-262, 7.1.1). */
export function toPrimitive(value: unknown): unknown {
  if (!isObject(value)) return value;
  const object = value as Record<PropertyKey, unknown>;
  const exotic = object[Symbol.toPrimitive];
  if (exotic !== undefined && exotic !== null) {
    const primitive: unknown = apply(exotic as () => unknown, value, ['number']);
    if (!isObject(primitive)) return primitive;
    throw new TypeError('cannot convert object to primitive value');
  }
  for (let i = 0; i < 2; i++) {
    const method = object[i === 0 ? 'valueOf' : 'toString'];
    if (typeof method !== 'function') continue;
    const primitive: unknown = apply(method, value, []);
    if (!isObject(primitive)) return primitive;
  }
  throw new TypeError('cannot convert object to primitive value');
}

/** The host's `[[kind, text], …]` as ECMA-402's parts. */
export function partsOf(list: readonly (readonly [string, string])[]): { type: string; value: string }[] {
  const parts: { type: string; value: string }[] = [];
  for (let i = 0; i < list.length; i++) {
    const { 0: type, 1: value } = list[i] as [string, string];
    parts[i] = { type, value };
  }
  return parts;
}

/** The error of what ECMA-402 has and the sandbox has not. */
export function notHere(what: string): Error {
  return new Error(`${what} is not in the sandbox: an applet that needs it runs on a process engine (runtime.engine: node, bun or deno)`);
}
