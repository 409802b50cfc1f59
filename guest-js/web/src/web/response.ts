// Response: what handlers answer with, and what fetch gives.

import type { Outcome } from '../bindings.ts';
import { jsonStringify, matches } from '../primordials.ts';
import { hrefOf } from '../url/url.ts';
import { byteString, dictionary, finishInterface } from '../webidl.ts';
import {
  type BlobObject, type Body, cloneBody, extract, type FormObject, hasBody, isUsed, noBody, readableOf, readBlob, readBuffer, readBytes, readForm, readJson, readText,
} from './body.ts';
import type { ChunkSource } from './body-stream.ts';
import { copyList, type Headers, headersOver, isFieldValue, newList, setIn, valueIn } from './headers.ts';

interface ResponseState {
  status: number;
  statusText: string;
  list: string[];
  headers: Headers | undefined;
  body: Body;
  type: string;
  url: string;
  redirected: boolean;
}

let stateOf: (response: Response) => ResponseState;
let fromState: (state: ResponseState) => Response;
let isResponse: (value: object) => boolean;
const FROM_STATE = Symbol('state');

function isNullBody(status: number): boolean { return status === 101 || status === 103 || status === 204 || status === 205 || status === 304; }

function blank(status: number, list: string[], body: Body, type: string): ResponseState {
  return { status, statusText: '', list, headers: undefined, body, type, url: '', redirected: false };
}

/** Status, status text and headers of an init dictionary; then the body and its content type. */
function build(content: { body: Body; type: string | undefined }, init: unknown): ResponseState {
  const state = blank(200, [], content.body, 'default');
  if (init !== undefined) {
    const options = dictionary(init, 'Response');
    if (options['status'] !== undefined) {
      const status = Number(options['status']);
      state.status = status & 0xffff;
      if (!(status >= 200 && status <= 599)) throw new RangeError(`the status ${status} is not between 200 and 599`);
    }
    if (options['statusText'] !== undefined) {
      state.statusText = byteString(options['statusText'], 'statusText');
      if (!isFieldValue(state.statusText) || !matches(/^[\t\x20-\x7e\x80-\xff]*$/, state.statusText)) throw new TypeError('statusText holds a control character');
    }
    if (options['headers'] !== undefined) state.list = newList(options['headers']);
  }
  if (hasBody(content.body) && isNullBody(state.status)) throw new TypeError(`a response with status ${state.status} cannot have a body`);
  if (content.type !== undefined && valueIn(state.list, 'content-type') === null) setIn(state.list, 'content-type', content.type);
  return state;
}

export class Response {
  readonly #state: ResponseState;
  static {
    stateOf = (response) => response.#state;
    fromState = (state) => new Response(FROM_STATE, state);
    isResponse = (value) => #state in value;
  }
  constructor(body?: unknown, init?: unknown) {
    this.#state = body === FROM_STATE ? (init as ResponseState) : build(extract(body), init);
  }

  static json(value: unknown, init?: unknown): Response {
    const text = jsonStringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`Response.json: a ${typeof value} cannot be sent as JSON`);
    return fromState(build({ body: { source: text, used: false }, type: 'application/json' }, init));
  }
  static error(): Response {
    const response = fromState(blank(0, [], noBody(), 'error'));
    stateOf(response).headers = headersOver(stateOf(response).list, true);
    return response;
  }
  static redirect(url: unknown, status: unknown = 302): Response {
    const href = hrefOf(url);
    const code = Number(status);
    if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308) throw new RangeError(`${code} is not a redirect status`);
    const response = fromState(blank(code, ['location', href], noBody(), 'default'));
    stateOf(response).headers = headersOver(stateOf(response).list, true);
    return response;
  }

  get status(): number { return this.#state.status; }
  get statusText(): string { return this.#state.statusText; }
  get ok(): boolean { return this.#state.status >= 200 && this.#state.status <= 299; }
  get type(): string { return this.#state.type; }
  get url(): string { return this.#state.url; }
  get redirected(): boolean { return this.#state.redirected; }
  get headers(): Headers { return (this.#state.headers ??= headersOver(this.#state.list, false)); }
  get body(): object | null { return readableOf(this.#state.body); }
  get bodyUsed(): boolean { return isUsed(this.#state.body); }
  text(): Promise<string> { return readText(this.#state.body); }
  json(): Promise<unknown> { return readJson(this.#state.body); }
  bytes(): Promise<Uint8Array> { return readBytes(this.#state.body); }
  arrayBuffer(): Promise<ArrayBuffer> { return readBuffer(this.#state.body); }
  blob(): Promise<BlobObject> { return readBlob(this.#state.body, this.#state.list); }
  formData(): Promise<FormObject> { return readForm(this.#state.body, this.#state.list); }
  clone(): Response {
    const state = this.#state;
    return fromState({ ...state, list: copyList(state.list), headers: undefined, body: cloneBody(state.body) });
  }
}
finishInterface(Response, 'Response', ':0 json:1 redirect:1');

export function isResponseObject(value: object): value is Response { return isResponse(value); }

export function responseParts(response: Response): Readonly<ResponseState> { return stateOf(response); }

/** The response that an http operation brought, and its body if that is read in pieces. */
export function responseFromHost(outcome: Extract<Outcome, { kind: 'response' }>, stream: ChunkSource | undefined): Response {
  const isNull = isNullBody(outcome.status);
  if (isNull) stream?.cancel(undefined);
  const body: Body = { source: isNull ? undefined : outcome.body, stream: isNull ? undefined : stream, used: false };
  const state = blank(outcome.status, outcome.headers, body, 'basic');
  state.statusText = outcome.statusText;
  state.url = outcome.url;
  state.redirected = outcome.redirected;
  state.headers = undefined;
  return fromState(state);
}
