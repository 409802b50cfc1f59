// URLSearchParams: a list of pairs, linked to the URL it belongs to.

import { charCodeAt, isArray, objectKeys, push } from '../primordials.ts';
import { finishInterface, isObject, usvString } from '../webidl.ts';
import { pairIterator, type PairIterator } from '../web/pair-iterator.ts';
import { FORM, percentDecode, percentEncode } from './percent.ts';

type Pair = [name: string, value: string];

export function parseForm(text: string): Pair[] {
  const pairs: Pair[] = [];
  const parts = text.split('&');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string;
    if (part === '') continue;
    const at = part.indexOf('=');
    push(pairs, [decode(at < 0 ? part : part.slice(0, at)), at < 0 ? '' : decode(part.slice(at + 1))]);
  }
  return pairs;
}

function decode(text: string): string { return percentDecode(text.indexOf('+') < 0 ? text : text.replaceAll('+', ' ')); }

export function serializeForm(pairs: readonly Pair[]): string {
  let text = '';
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] as Pair;
    text += `${i > 0 ? '&' : ''}${percentEncode(pair[0], FORM, true)}=${percentEncode(pair[1], FORM, true)}`;
  }
  return text;
}

export let isSearchParams: (value: unknown) => value is URLSearchParams;
/** Links parameters to a URL: `update` hears of each change. */
export let linkParams: (params: URLSearchParams, update: (query: string) => void) => void;
export let resetParams: (params: URLSearchParams, query: string) => void;

function pairOf(given: unknown): Pair {
  const pair = isArray(given) ? given : isObject(given) ? [...(given as Iterable<unknown>)] : undefined;
  if (pair === undefined || pair.length !== 2) throw new TypeError('URLSearchParams: each pair must be an array of a name and a value');
  return [usvString(pair[0]), usvString(pair[1])];
}

function pairsOf(init: unknown): Pair[] {
  if (init === undefined) return [];
  if (!isObject(init)) {
    const text = usvString(init);
    return parseForm(text[0] === '?' ? text.slice(1) : text);
  }
  const pairs: Pair[] = [];
  const iterate = (init as { [Symbol.iterator]?: unknown })[Symbol.iterator];
  if (iterate !== undefined && iterate !== null) {
    for (const given of init as Iterable<unknown>) push(pairs, pairOf(given));
    return pairs;
  }
  const names = objectKeys(init);
  for (let i = 0; i < names.length; i++) push(pairs, [usvString(names[i]), usvString((init as Record<string, unknown>)[names[i] as string])]);
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
    push(this.#pairs, [usvString(name), usvString(value)]);
    this.#changed();
  }
  delete(name: unknown, value?: unknown): void {
    const key = usvString(name);
    const only = value === undefined ? undefined : usvString(value);
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== key || (only !== undefined && pair[1] !== only));
    this.#changed();
  }
  get(name: unknown): string | null {
    const key = usvString(name);
    for (let i = 0; i < this.#pairs.length; i++) if ((this.#pairs[i] as Pair)[0] === key) return (this.#pairs[i] as Pair)[1];
    return null;
  }
  getAll(name: unknown): string[] {
    const key = usvString(name);
    const values: string[] = [];
    for (let i = 0; i < this.#pairs.length; i++) if ((this.#pairs[i] as Pair)[0] === key) push(values, (this.#pairs[i] as Pair)[1]);
    return values;
  }
  has(name: unknown, value?: unknown): boolean {
    const key = usvString(name);
    const only = value === undefined ? undefined : usvString(value);
    for (let i = 0; i < this.#pairs.length; i++) {
      const pair = this.#pairs[i] as Pair;
      if (pair[0] === key && (only === undefined || pair[1] === only)) return true;
    }
    return false;
  }
  set(name: unknown, value: unknown): void {
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
      Reflect.apply(callback as (...args: unknown[]) => unknown, self, [pair[1], pair[0], this]);
    }
  }
  keys(): PairIterator { return iterate(() => this.#pairs, 'key'); }
  values(): PairIterator { return iterate(() => this.#pairs, 'value'); }
  entries(): PairIterator { return iterate(() => this.#pairs, 'both'); }
  toString(): string { return serializeForm(this.#pairs); }
  declare [Symbol.iterator]: () => PairIterator;
}
const iterate = pairIterator('URLSearchParams Iterator');
finishInterface(URLSearchParams, 'URLSearchParams');
Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, { value: URLSearchParams.prototype.entries, writable: true, configurable: true });

function compare(a: string, b: string): number {
  const { length } = a.length < b.length ? a : b;
  for (let i = 0; i < length; i++) {
    const difference = charCodeAt(a, i) - charCodeAt(b, i);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
