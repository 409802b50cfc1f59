// Headers: a flat list of lower-case names and values (name, value, …), the form in which they cross to the host. The class is a
// view of such a list, made only when an applet asks.

import { sequence } from '../lazy.ts';
import { apply, copyArray, charCodeAt, matches, push, slice, toLowerCase } from '../primordials.ts';
import { byteString, domString, finishInterface, isObject, record, required } from '../webidl.ts';
import { pairIterator, type PairIterator } from './pair-iterator.ts';

const NOT_TOKEN = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const NOT_VALUE = /[\0\n\r\u0100-\uffff]/;
const HEADERS_MAX = 1_000;

/**
 * What most headers are: a look into these tables instead of a search of each character. Names as they are in lower case; values that are
 * the same when they are trimmed.
 */
const KNOWN_NAMES: Record<string, string> = { __proto__: null } as never;
const KNOWN_VALUES: Record<string, true> = { __proto__: null } as never;
for (const name of [
  'Accept', 'Accept-Language', 'Access-Control-Allow-Origin', 'Allow', 'Authorization', 'Cache-Control', 'Content-Disposition', 'Content-Encoding',
  'Content-Language', 'Content-Length', 'Content-Security-Policy', 'Content-Type', 'Cookie', 'Date', 'ETag', 'Expires', 'If-Match', 'If-None-Match',
  'Last-Modified', 'Link', 'Location', 'Origin', 'Referer', 'Retry-After', 'Set-Cookie', 'User-Agent', 'Vary', 'X-Content-Type-Options', 'X-Frame-Options', 'X-Request-Id',
]) {
  const lower = name.toLowerCase();
  KNOWN_NAMES[name] = lower;
  KNOWN_NAMES[lower] = lower;
}
for (const type of ['application/json', 'text/plain', 'text/html', 'text/css', 'text/javascript', 'text/csv', 'application/xml', 'text/event-stream']) {
  KNOWN_VALUES[type] = true;
  KNOWN_VALUES[`${type}; charset=utf-8`] = true;
  KNOWN_VALUES[`${type};charset=utf-8`] = true;
}
for (const value of ['application/octet-stream', 'application/x-www-form-urlencoded', '*', '*/*', 'no-cache', 'no-store', 'nosniff', 'image/png', 'image/svg+xml']) KNOWN_VALUES[value] = true;
/** Longer texts are not looked up: that would keep them. */
const KNOWN_CHARS_MAX = 48;

function knownName(name: unknown): string | undefined { return typeof name === 'string' && name.length <= KNOWN_CHARS_MAX ? KNOWN_NAMES[name] : undefined; }
function isKnownValue(value: unknown): value is string { return typeof value === 'string' && value.length <= KNOWN_CHARS_MAX && KNOWN_VALUES[value] === true; }

export function isToken(text: string): boolean { return text !== '' && !matches(NOT_TOKEN, text); }

/** Whether every character is a byte, and none of them NUL, CR or LF. */
export function isFieldValue(text: string): boolean { return !matches(NOT_VALUE, text); }

function isSpace(code: number): boolean { return code === 32 || code === 9 || code === 10 || code === 13; }

function fieldName(name: unknown): string {
  const known = knownName(name);
  if (known !== undefined) return known;
  const text = domString(name);
  if (!isToken(text)) throw new TypeError(`"${text}" is not a valid header name`);
  return toLowerCase(text);
}

function fieldValue(value: unknown, name: string): string {
  if (isKnownValue(value)) return value;
  let text = domString(value);
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(charCodeAt(text, start))) start++;
  while (end > start && isSpace(charCodeAt(text, end - 1))) end--;
  if (start > 0 || end < text.length) text = slice(text, start, end);
  if (!isFieldValue(text)) throw new TypeError(`the value of header ${name} holds a line break, NUL, or a character beyond U+00FF`);
  return text;
}

/** The values of a name joined by commas; null when there are none. `name` is in lower case. */
export function valueIn(list: readonly string[], name: string): string | null {
  let found: string | null = null;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) found = found === null ? (list[i + 1] as string) : `${found}, ${list[i + 1] as string}`;
  }
  return found;
}

/** Replaces the first value of a name and removes the others; adds it when there is none. */
export function setIn(list: string[], name: string, value: string): void {
  let to = 0;
  let done = false;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) {
      if (done) continue;
      done = true;
      list[to] = name;
      list[to + 1] = value;
    } else {
      list[to] = list[i] as string;
      list[to + 1] = list[i + 1] as string;
    }
    to += 2;
  }
  list.length = to;
  if (!done) append(list, name, value);
}

function append(list: string[], name: string, value: string): void {
  if (list.length >= HEADERS_MAX * 2) throw new TypeError(`more than ${HEADERS_MAX} headers`);
  push(list, name);
  push(list, value);
}

function removeFrom(list: string[], name: string): void {
  let to = 0;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) continue;
    list[to] = list[i] as string;
    list[to + 1] = list[i + 1] as string;
    to += 2;
  }
  list.length = to;
}

/** Names in order, values of one name joined, set-cookie kept apart. */
function sorted(list: readonly string[]): [string, string][] {
  const names: string[] = [];
  const seen: Record<string, true> = { __proto__: null } as never;
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string;
    if (seen[name] === true) continue;
    seen[name] = true;
    push(names, name);
  }
  names.sort();
  const pairs: [string, string][] = [];
  for (let n = 0; n < names.length; n++) {
    const name = names[n] as string;
    if (name !== 'set-cookie') {
      push(pairs, [name, valueIn(list, name) as string]);
      continue;
    }
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) push(pairs, [name, list[i + 1] as string]);
  }
  return pairs;
}

function byteValue(value: unknown, name: string): string { return isKnownValue(value) ? value : byteString(value, `the value of header ${name}`); }

function fill(list: string[], init: unknown): void {
  if (!isObject(init)) throw new TypeError('headers: give an object, an array of pairs, or Headers');
  const iterate = (init as unknown as { [Symbol.iterator]?: unknown })[Symbol.iterator];
  if (isHeaders(init) && iterate === entriesOfHeaders) {
    const from = listOf(init);
    for (let i = 0; i < from.length; i++) push(list, from[i] as string);
    return;
  }
  if (iterate !== undefined && iterate !== null) {
    const pairs = sequence(init, 'headers: the pairs');
    for (let i = 0; i < pairs.length; i++) {
      const pair = sequence(pairs[i], 'headers: each pair');
      if (pair.length !== 2) throw new TypeError('headers: each pair must be an array of a name and a value');
      const name = fieldName(pair[0]);
      append(list, name, fieldValue(pair[1], name));
    }
    return;
  }
  // All of the record is converted before any of it is looked at.
  const pairs: [string, string][] = [];
  record(init, (key) => (knownName(key) === undefined ? byteString(key, 'a header name') : key), byteValue, (name, value) => {
    for (let i = 0; i < pairs.length; i++) {
      if ((pairs[i] as [string, string])[0] !== name) continue;
      (pairs[i] as [string, string])[1] = value;
      return;
    }
    push(pairs, [name, value]);
  });
  for (let i = 0; i < pairs.length; i++) {
    const [key, value] = pairs[i] as [string, string];
    const name = fieldName(key);
    append(list, name, fieldValue(value, name));
  }
}

export let listOf: (headers: Headers) => string[];
export let isHeaders: (value: unknown) => value is Headers;
/** A view of a list, which it shares. */
export let headersOver: (list: string[], immutable: boolean) => Headers;

export class Headers {
  #list: string[] = [];
  #immutable = false;
  /** What an iteration goes through, until there is a change. */
  #pairs: [string, string][] | undefined;
  static {
    listOf = (headers) => headers.#list;
    isHeaders = (value): value is Headers => typeof value === 'object' && value !== null && #list in value;
    headersOver = (list, immutable) => {
      const headers = new Headers();
      headers.#list = list;
      headers.#immutable = immutable;
      return headers;
    };
  }

  constructor(init?: unknown) { if (init !== undefined) fill(this.#list, init); }

  #change(): string[] {
    if (this.#immutable) throw new TypeError('these headers cannot be changed');
    this.#pairs = undefined;
    return this.#list;
  }
  #sorted(): [string, string][] { return (this.#pairs ??= sorted(this.#list)); }
  append(name: unknown, value: unknown): void {
    required(arguments.length, 2, 'append');
    const key = fieldName(name);
    const text = fieldValue(value, key);
    append(this.#change(), key, text);
  }
  delete(name: unknown): void {
    required(arguments.length, 1, 'delete');
    const key = fieldName(name);
    removeFrom(this.#change(), key);
  }
  get(name: unknown): string | null {
    required(arguments.length, 1, 'get');
    return valueIn(this.#list, fieldName(name));
  }
  getSetCookie(): string[] {
    const values: string[] = [];
    for (let i = 0; i < this.#list.length; i += 2) if (this.#list[i] === 'set-cookie') push(values, this.#list[i + 1] as string);
    return values;
  }
  has(name: unknown): boolean {
    required(arguments.length, 1, 'has');
    return valueIn(this.#list, fieldName(name)) !== null;
  }
  set(name: unknown, value: unknown): void {
    required(arguments.length, 2, 'set');
    const key = fieldName(name);
    const text = fieldValue(value, key);
    setIn(this.#change(), key, text);
  }
  forEach(callback: unknown, self?: unknown): void {
    if (typeof callback !== 'function') throw new TypeError('forEach: give a function');
    for (let i = 0; ; i++) {
      const pair = this.#sorted()[i];
      if (pair === undefined) return;
      apply(callback as (...args: unknown[]) => unknown, self, [pair[1], pair[0], this]);
    }
  }
  keys(): PairIterator { return iterate(() => this.#sorted(), 'key'); }
  values(): PairIterator { return iterate(() => this.#sorted(), 'value'); }
  entries(): PairIterator { return iterate(() => this.#sorted(), 'both'); }
  declare [Symbol.iterator]: () => PairIterator;
}
const iterate = pairIterator('Headers Iterator');
finishInterface(Headers, 'Headers', ':0 forEach:1');
const entriesOfHeaders = Headers.prototype.entries;
Object.defineProperty(Headers.prototype, Symbol.iterator, { value: entriesOfHeaders, writable: true, configurable: true });

/** The headers of an init dictionary as a new list. */
export function newHeaders(init: unknown): Headers { return new Headers(init); }
export function newList(init: unknown): string[] {
  const list: string[] = [];
  if (init !== undefined) fill(list, init);
  return list;
}
export function copyList(list: readonly string[]): string[] { return copyArray(list); }
