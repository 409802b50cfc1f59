// URLSearchParams: a list of pairs, linked to the URL it belongs to.

import { sequence } from '../lazy.ts';
import { native } from '../native.ts';
import { apply, charCodeAt, push, slice } from '../primordials.ts';
import { finishInterface, isObject, record, required, usvString } from '../webidl.ts';
import { pairIterator, type PairIterator } from '../web/pair-iterator.ts';

type Pair = [name: string, value: string];

/** The pairs of application/x-www-form-urlencoded text. */
export function parseForm(text: string): Pair[] {
  const pairs: Pair[] = [];
  if (text === '') return pairs;
  const flat = native.formParse(text);
  for (let i = 0; i < flat.length; i += 2) push(pairs, [flat[i] as string, flat[i + 1] as string]);
  return pairs;
}

export function serializeForm(pairs: readonly Pair[]): string {
  const flat: string[] = [];
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] as Pair;
    push(flat, pair[0]);
    push(flat, pair[1]);
  }
  return native.formSerialize(flat);
}

export let isSearchParams: (value: unknown) => value is URLSearchParams;
/** Links parameters to a URL: `update` hears of each change. */
export let linkParams: (params: URLSearchParams, update: (query: string) => void) => void;
export let resetParams: (params: URLSearchParams, query: string) => void;

function pairOf(given: unknown): Pair {
  const pair = sequence(given, 'URLSearchParams: each pair');
  if (pair.length !== 2) throw new TypeError('URLSearchParams: each pair must be an array of a name and a value');
  return [usvString(pair[0]), usvString(pair[1])];
}

function pairsOf(init: unknown): Pair[] {
  if (init === undefined) return [];
  if (!isObject(init)) {
    const text = usvString(init);
    return parseForm(text[0] === '?' ? slice(text, 1) : text);
  }
  const pairs: Pair[] = [];
  const iterate = (init as { [Symbol.iterator]?: unknown })[Symbol.iterator];
  if (iterate !== undefined && iterate !== null) {
    const list = sequence(init, 'URLSearchParams: the pairs');
    for (let i = 0; i < list.length; i++) push(pairs, pairOf(list[i]));
    return pairs;
  }
  record(init, usvString, (value) => usvString(value), (name, value) => {
    for (let i = 0; i < pairs.length; i++) {
      if ((pairs[i] as Pair)[0] !== name) continue;
      pairs[i] = [name, value];
      return;
    }
    push(pairs, [name, value]);
  });
  return pairs;
}

export class URLSearchParams {
  #pairs: Pair[];
  #update: ((query: string) => void) | undefined;
  static {
    isSearchParams = (value): value is URLSearchParams => typeof value === 'object' && value !== null && #pairs in value;
    linkParams = (params, update) => {
      params.#update = update;
    };
    resetParams = (params, query) => {
      params.#pairs = parseForm(query);
    };
  }
  constructor(init?: unknown) { this.#pairs = pairsOf(init); }

  #changed(): void { this.#update?.(serializeForm(this.#pairs)); }
  get size(): number { return this.#pairs.length; }
  append(name: unknown, value: unknown): void {
    required(arguments.length, 2, 'append');
    push(this.#pairs, [usvString(name), usvString(value)]);
    this.#changed();
  }
  delete(name: unknown, value?: unknown): void {
    required(arguments.length, 1, 'delete');
    const key = usvString(name);
    const only = value === undefined ? undefined : usvString(value);
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== key || (only !== undefined && pair[1] !== only));
    this.#changed();
  }
  get(name: unknown): string | null {
    required(arguments.length, 1, 'get');
    const key = usvString(name);
    for (let i = 0; i < this.#pairs.length; i++) if ((this.#pairs[i] as Pair)[0] === key) return (this.#pairs[i] as Pair)[1];
    return null;
  }
  getAll(name: unknown): string[] {
    required(arguments.length, 1, 'getAll');
    const key = usvString(name);
    const values: string[] = [];
    for (let i = 0; i < this.#pairs.length; i++) if ((this.#pairs[i] as Pair)[0] === key) push(values, (this.#pairs[i] as Pair)[1]);
    return values;
  }
  has(name: unknown, value?: unknown): boolean {
    required(arguments.length, 1, 'has');
    const key = usvString(name);
    const only = value === undefined ? undefined : usvString(value);
    for (let i = 0; i < this.#pairs.length; i++) {
      const pair = this.#pairs[i] as Pair;
      if (pair[0] === key && (only === undefined || pair[1] === only)) return true;
    }
    return false;
  }
  set(name: unknown, value: unknown): void {
    required(arguments.length, 2, 'set');
    const key = usvString(name);
    const text = usvString(value);
    const kept: Pair[] = [];
    let done = false;
    for (let i = 0; i < this.#pairs.length; i++) {
      const pair = this.#pairs[i] as Pair;
      if (pair[0] !== key) push(kept, pair);
      else if (!done) {
        done = true;
        push(kept, [key, text]);
      }
    }
    if (!done) push(kept, [key, text]);
    this.#pairs = kept;
    this.#changed();
  }
  sort(): void {
    // Compares UTF-16 code units, and keeps equal names in order.
    this.#pairs.sort((a, b) => compare(a[0], b[0]));
    this.#changed();
  }
  forEach(callback: unknown, self?: unknown): void {
    if (typeof callback !== 'function') throw new TypeError('forEach: give a function');
    for (let i = 0; i < this.#pairs.length; i++) {
      const pair = this.#pairs[i] as Pair;
      apply(callback as (...args: unknown[]) => unknown, self, [pair[1], pair[0], this]);
    }
  }
  keys(): PairIterator { return iterate(() => this.#pairs, 'key'); }
  values(): PairIterator { return iterate(() => this.#pairs, 'value'); }
  entries(): PairIterator { return iterate(() => this.#pairs, 'both'); }
  toString(): string { return serializeForm(this.#pairs); }
  declare [Symbol.iterator]: () => PairIterator;
}
const iterate = pairIterator('URLSearchParams Iterator');
finishInterface(URLSearchParams, 'URLSearchParams', ':0 delete:1 has:1 forEach:1');
Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, { value: URLSearchParams.prototype.entries, writable: true, configurable: true });

function compare(a: string, b: string): number {
  const { length } = a.length < b.length ? a : b;
  for (let i = 0; i < length; i++) {
    const difference = charCodeAt(a, i) - charCodeAt(b, i);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
