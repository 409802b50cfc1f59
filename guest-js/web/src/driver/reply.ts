// What a handler returned, as what is sent: JSON text, or an HTTP response. Says where in the value it cannot be sent.

import type { Reply } from '../bindings.ts';
import { arrayIndexOf, copyArray, isArray, jsonStringify, matches, objectKeys, promiseResolve, push } from '../primordials.ts';
import { native } from '../native.ts';
import { bodyBytes, isStreamed, isUnusable, sourceOf } from '../web/body.ts';
import { type ChunkSource, pump } from '../web/body-stream.ts';
import { isResponseObject, Response, responseParts } from '../web/response.ts';
import { HandlerFailure, INVALID_RESULT } from './failure.ts';

const JSON_INIT = { headers: { 'content-type': 'application/json' } };
const DEPTH_MAX = 64;
const NODES_MAX = 100_000;
const NAME = /^[A-Za-z_$][\w$]*$/;

interface Search { nodes: number; readonly parents: object[] }

/** The path and the kind of the first value JSON cannot hold. Runs only after JSON.stringify failed. */
function culprit(value: unknown, path: string, search: Search): string | undefined {
  if (typeof value === 'bigint') return `a BigInt at ${path}: turn it into a string or a number`;
  if (typeof value !== 'object' || value === null || search.parents.length >= DEPTH_MAX || search.nodes++ > NODES_MAX) return undefined;
  if (arrayIndexOf(search.parents, value) >= 0) return `a cycle: ${path} is an object that contains it`;
  push(search.parents, value);
  const names = objectKeys(value);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const step = isArray(value) ? `[${name}]` : matches(NAME, name) ? `.${name}` : `[${jsonStringify(name)}]`;
    const found = culprit((value as Record<string, unknown>)[name], path + step, search);
    if (found !== undefined) return found;
  }
  search.parents.length--;
  return undefined;
}

function toJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = jsonStringify(value);
  } catch (error) {
    let found: string | undefined;
    try {
      found = culprit(value, 'result', { nodes: 0, parents: [] });
    } catch {
      // A getter or toJSON of the applet's threw: what it threw says more than we can.
    }
    if (found === undefined) throw error;
    throw new HandlerFailure(INVALID_RESULT, `the result cannot be sent as JSON: it holds ${found}`);
  }
  if (text === undefined) {
    throw new HandlerFailure(INVALID_RESULT, `the result cannot be sent as JSON: it is a ${typeof value}; return a value, a Response, or nothing`);
  }
  return text;
}

function check(response: Response): void {
  const { status, body } = responseParts(response);
  if (status < 200 || status > 599) throw new HandlerFailure(INVALID_RESULT, `a handler cannot answer with status ${status} (Response.error() is for fetch)`);
  if (isUnusable(body)) throw new HandlerFailure(INVALID_RESULT, 'the body of the Response has already been read, or is locked to a reader: return response.clone() or a new Response');
}

/** A response that can be sent. */
export function checked(response: Response): Response {
  check(response);
  return response;
}

function toResponse(response: Response): Reply {
  const { status, list, body } = responseParts(response);
  check(response);
  // Names and values were checked when they were put in: the list cannot be reached but through Headers.
  // Without a prototype: a promise resolved with it must not ask the applet's Object.prototype for `then`.
  return { __proto__: null, status, headers: copyArray(list), body: bodyBytes(body) } as Reply;
}

/** A response whose body is read in pieces, or undefined. */
export function streamed(value: unknown): Response | undefined {
  return typeof value === 'object' && value !== null && isResponseObject(value) && isStreamed(responseParts(value).body) ? value : undefined;
}

/** What answers a request at once, although something goes on: as `toReply` and the server would have answered. Undefined for what is no answer. */
export function early(value: unknown, mustRespond: boolean): Response | undefined {
  if (typeof value === 'object' && value !== null && isResponseObject(value)) return value;
  if (mustRespond) return undefined;
  return value === undefined ? new Response(null, { status: 204 }) : new Response(toJson(value), JSON_INIT);
}

/** Answers: the head at once, the body as the caller takes it. */
export async function respond(response: Response): Promise<Reply> {
  const { status, list, body } = responseParts(response);
  check(response);
  const source = sourceOf(body) ?? wholeSource(bodyBytes(body));
  const stream = native.bodyOpen();
  native.respond(status, copyArray(list), stream);
  await pump(source, stream);
  return true;
}

/** A body that is there, as one piece. */
function wholeSource(bytes: Uint8Array | undefined): ChunkSource {
  let rest = bytes !== undefined && bytes.length > 0 ? bytes : undefined;
  return {
    read: () => {
      const chunk = rest;
      rest = undefined;
      return promiseResolve(chunk);
    },
    cancel: () => undefined,
  };
}

/** `mustRespond` for fetch(request), which has no other kind of answer. */
export function toReply(value: unknown, mustRespond: boolean): Reply {
  if (typeof value === 'object' && value !== null && isResponseObject(value)) return toResponse(value);
  if (mustRespond) throw new HandlerFailure(INVALID_RESULT, `fetch() must return a Response, not ${value === null ? 'null' : `a value of type ${typeof value}`}`);
  return value === undefined ? undefined : toJson(value);
}
