// Request: made by the platform from what the host hands over (cheaply: the URL is not parsed again), or by an applet for fetch.

import type { RequestParts } from '../bindings.ts';
import { toUpperCase } from '../primordials.ts';
import { hasCredentials, hrefOf } from '../url/url.ts';
import { byteString, dictionary, domString, finishInterface, required, usvString } from '../webidl.ts';
import { type AbortSignal, AbortController, isSignal } from './abort.ts';
import {
  type BlobObject, type Body, cloneBody, extract, type FormObject, hasBody, isUsed, noBody, readableOf, readBlob, readBuffer, readBytes, readForm, readJson, readText,
  takeBody,
} from './body.ts';
import { hostSource } from './body-stream.ts';
import { copyList, Headers, headersOver, isToken, newList, setIn, valueIn } from './headers.ts';

export interface RequestState {
  method: string;
  url: string;
  list: string[];
  headers: Headers | undefined;
  body: Body;
  redirect: string;
  signal: AbortSignal | undefined;
  /** Fields that only describe a browser's intent; kept because applets read them back. */
  extra: Record<string, string>;
}

export let requestState: (request: Request) => RequestState;
export let isRequest: (value: unknown) => value is Request;
let fromState: (state: RequestState) => Request;

function methodOf(value: unknown): string {
  const text = byteString(value, 'the method');
  if (!isToken(text)) throw new TypeError(`"${text}" is not a valid method`);
  const upper = toUpperCase(text);
  if (upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK') throw new TypeError(`the method ${upper} is not allowed`);
  const known = upper === 'GET' || upper === 'POST' || upper === 'PUT' || upper === 'DELETE' || upper === 'HEAD' || upper === 'OPTIONS';
  return known ? upper : text;
}

function choice(value: unknown, name: string, from: readonly string[]): string {
  const text = `${value as string}`;
  for (let i = 0; i < from.length; i++) if (from[i] === text) return text;
  throw new TypeError(`${name}: "${text}" is none of ${from.join(', ')}`);
}

const EXTRA: Record<string, readonly string[]> = {
  cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
  credentials: ['same-origin', 'include', 'omit'],
  mode: ['cors', 'no-cors', 'same-origin', 'navigate'],
  priority: ['high', 'low', 'auto'],
  referrerPolicy: ['', 'no-referrer', 'no-referrer-when-downgrade', 'same-origin', 'origin', 'strict-origin', 'origin-when-cross-origin', 'strict-origin-when-cross-origin', 'unsafe-url'],
};
const EXTRA_NAMES = Object.keys(EXTRA);
const NO_EXTRA: Record<string, string> = Object.freeze({ __proto__: null } as never);
const FROM_STATE = Symbol('state');

/** Referrer, integrity and keepalive; and what the standard forbids of modes (Fetch standard, 5.4). */
function describe(state: RequestState, options: Record<string, unknown>): void {
  const set = (name: string, value: string): void => {
    state.extra = { __proto__: null, ...state.extra, [name]: value } as never;
  };
  if (options['referrer'] !== undefined) {
    const text = usvString(options['referrer']);
    set('referrer', text === '' ? '' : hrefOf(text));
  }
  if (options['integrity'] !== undefined) set('integrity', domString(options['integrity']));
  if (options['keepalive'] !== undefined) set('keepalive', options['keepalive'] ? 'true' : '');
  const { mode, cache } = state.extra as { mode?: string; cache?: string };
  if (options['mode'] === 'navigate') throw new TypeError('the mode of a request cannot be "navigate"');
  if (cache === 'only-if-cached' && mode !== 'same-origin') throw new TypeError('the cache mode "only-if-cached" needs the mode "same-origin"');
  if (mode === 'no-cors' && state.method !== 'GET' && state.method !== 'HEAD' && state.method !== 'POST') {
    throw new TypeError(`the method ${state.method} is not allowed with the mode "no-cors"`);
  }
}

/** What `new Request(input, init)` and fetch(input, init) mean. The body of an input request is taken over. */
export function stateFor(input: unknown, init: unknown): RequestState {
  const options = dictionary(init, 'Request');
  const from = isRequest(input) ? requestState(input) : undefined;
  const state: RequestState = from === undefined
    ? { method: 'GET', url: hrefOf(input), list: [], headers: undefined, body: noBody(), redirect: 'follow', signal: undefined, extra: NO_EXTRA }
    : { ...from, list: copyList(from.list), headers: undefined };
  if (from === undefined && hasCredentials(state.url)) throw new TypeError('the URL of a request cannot hold a user name or password: send an authorization header');
  if (options['method'] !== undefined) state.method = methodOf(options['method']);
  if (options['headers'] !== undefined) state.list = newList(options['headers']);
  if (options['redirect'] !== undefined) state.redirect = choice(options['redirect'], 'redirect', ['follow', 'error', 'manual']);
  if (options['signal'] !== undefined) {
    if (options['signal'] !== null && !isSignal(options['signal'])) throw new TypeError('the signal must be an AbortSignal');
    state.signal = options['signal'] ?? undefined;
  }
  if (options['duplex'] !== undefined) choice(options['duplex'], 'duplex', ['half']);
  if (options['window'] !== undefined && options['window'] !== null) throw new TypeError('the window of a request can only be null');
  for (let i = 0; i < EXTRA_NAMES.length; i++) {
    const name = EXTRA_NAMES[i] as string;
    if (options[name] === undefined) continue;
    if (state.extra === NO_EXTRA || state.extra === from?.extra) state.extra = { __proto__: null, ...state.extra } as never;
    state.extra[name] = choice(options[name], name, EXTRA[name] as readonly string[]);
  }
  describe(state, options);
  if (options['body'] !== undefined && options['body'] !== null) {
    const { body, type } = extract(options['body']);
    if (body.readable !== undefined && options['duplex'] === undefined) throw new TypeError("a request with a stream as its body needs duplex: 'half'");
    state.body = body;
    if (type !== undefined && valueIn(state.list, 'content-type') === null) setIn(state.list, 'content-type', type);
  } else if (from !== undefined && options['body'] === undefined) {
    state.body = takeBody(from.body);
  }
  if (hasBody(state.body) && (state.method === 'GET' || state.method === 'HEAD')) throw new TypeError(`a ${state.method} request cannot have a body`);
  return state;
}

export class Request {
  readonly #state: RequestState;
  static {
    requestState = (request) => request.#state;
    isRequest = (value): value is Request => typeof value === 'object' && value !== null && #state in value;
    fromState = (state) => new Request(FROM_STATE, state);
  }
  constructor(input: unknown, init?: unknown) {
    required(arguments.length, 1, 'Request');
    this.#state = input === FROM_STATE ? (init as RequestState) : stateFor(input, init);
  }
  get method(): string { return this.#state.method; }
  get url(): string { return this.#state.url; }
  get headers(): Headers { return (this.#state.headers ??= headersOver(this.#state.list, false)); }
  get redirect(): string { return this.#state.redirect; }
  get signal(): AbortSignal { return (this.#state.signal ??= new AbortController().signal); }
  get cache(): string { return this.#state.extra['cache'] ?? 'default'; }
  get credentials(): string { return this.#state.extra['credentials'] ?? 'same-origin'; }
  get mode(): string { return this.#state.extra['mode'] ?? 'cors'; }
  get referrerPolicy(): string { return this.#state.extra['referrerPolicy'] ?? ''; }
  get referrer(): string { return this.#state.extra['referrer'] ?? 'about:client'; }
  get destination(): string {
    void this.#state;
    return '';
  }
  get integrity(): string { return this.#state.extra['integrity'] ?? ''; }
  get keepalive(): boolean { return this.#state.extra['keepalive'] === 'true'; }
  get isReloadNavigation(): boolean {
    void this.#state;
    return false;
  }
  get isHistoryNavigation(): boolean {
    void this.#state;
    return false;
  }
  get duplex(): string {
    void this.#state;
    return 'half';
  }
  get body(): object | null { return readableOf(this.#state.body); }
  get bodyUsed(): boolean { return isUsed(this.#state.body); }
  text(): Promise<string> { return readText(this.#state.body); }
  json(): Promise<unknown> { return readJson(this.#state.body); }
  bytes(): Promise<Uint8Array> { return readBytes(this.#state.body); }
  arrayBuffer(): Promise<ArrayBuffer> { return readBuffer(this.#state.body); }
  blob(): Promise<BlobObject> { return readBlob(this.#state.body, this.#state.list); }
  formData(): Promise<FormObject> { return readForm(this.#state.body, this.#state.list); }
  clone(): Request {
    const state = this.#state;
    return fromState({ ...state, list: copyList(state.list), headers: undefined, body: cloneBody(state.body) });
  }
}
finishInterface(Request, 'Request', ':1');

/** The request of the call, from what the host gave. */
export function requestFromParts(parts: RequestParts): Request {
  const source = parts.body !== undefined && parts.body.length > 0 ? parts.body : undefined;
  const stream = parts.stream === undefined ? undefined : hostSource(parts.stream, undefined);
  return fromState({
    method: parts.method, url: parts.url, list: parts.headers, headers: undefined, body: { source, stream, used: false }, redirect: 'follow', signal: undefined,
    extra: NO_EXTRA,
  });
}
