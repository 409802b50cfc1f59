// Iterators of Web IDL's pair iterables (Headers, URLSearchParams, FormData): live, so that changes made while iterating are seen.

import { create, defineProperty } from '../primordials.ts';

export type PairIterator = IterableIterator<unknown>;
type Kind = 'key' | 'value' | 'both';
interface State { pairs: () => readonly (readonly [string, unknown])[]; kind: Kind; index: number }

const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object;

/** Makes the iterator class of one interface. */
export function pairIterator(name: string): (pairs: State['pairs'], kind: Kind) => PairIterator {
  const states = new WeakMap<object, State>();
  const get = WeakMap.prototype.get.bind(states) as (key: object) => State | undefined;
  const set = WeakMap.prototype.set.bind(states) as (key: object, value: State) => unknown;
  const prototype = create(iteratorPrototype) as object;
  function next(this: object): IteratorResult<unknown> {
    const state = get(this);
    if (state === undefined) throw new TypeError(`next: not a ${name}`);
    const pair = state.pairs()[state.index];
    if (pair === undefined) return { value: undefined, done: true };
    state.index++;
    return { value: state.kind === 'key' ? pair[0] : state.kind === 'value' ? pair[1] : [pair[0], pair[1]], done: false };
  }
  defineProperty(prototype, 'next', { value: next, writable: true, enumerable: true, configurable: true });
  defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
  return (pairs, kind) => {
    const iterator = create(prototype) as PairIterator;
    set(iterator, { pairs, kind, index: 0 });
    return iterator;
  };
}
