// Finds the handler of a call, gives it the arguments of its shape, and turns its answer into a reply. Stays synchronous when the
// handler does.

import type { Call, Reply, StreamId } from '../bindings.ts';
import { beginIntl } from '../intl/intl.ts';
import { native } from '../native.ts';
import { apply, hasOwn, indexOf, isArray, jsonParse, push, SavedPromise, slice, toLowerCase } from '../primordials.ts';
import { hostSource, readAll } from '../web/body-stream.ts';
import { startClock } from '../web/clock.ts';
import { startReporting } from '../web/report.ts';
import { isResponseObject } from '../web/response.ts';
import { Batch, beginBatch, invalidJson, isRetryWanted, parsePayload, verdict } from './batch.ts';
import { context, env } from './context.ts';
import { HANDLER_NOT_FOUND, HandlerFailure } from './failure.ts';
import { begin, call as running, currentRequest, isWaiting, settleWaits } from './invocation.ts';
import { checked, early, respond, streamed, toReply } from './reply.ts';
import { TEST_TRIGGER, testing } from './testing.ts';

type Handler = (this: unknown, ...args: unknown[]) => unknown;

function isJsonType(headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    if (toLowerCase(headers[i] as string) !== 'content-type') continue;
    let type = toLowerCase(headers[i + 1] as string);
    const end = indexOf(type, ';');
    if (end >= 0) type = slice(type, 0, end);
    while (type !== '' && (type[type.length - 1] === ' ' || type[type.length - 1] === '\t')) type = slice(type, 0, -1);
    return type === 'application/json' || slice(type, -5) === '+json';
  }
  return false;
}

/**
 * The second argument of `(context, payload)`. A handler that declares one parameter reads `context.request` itself (a webhook
 * checks the raw body), so a body that is not JSON is no failure there; it gets the text. A body that it cannot see (`isWanted`) is not
 * parsed for it.
 */
function payloadOf(call: Call, strict: boolean, isWanted = true): unknown {
  if (call.json !== undefined) return parsePayload(call.json);
  if (call.messages !== undefined) {
    const { messages } = call;
    if (messages.length !== 1) throw new HandlerFailure(HANDLER_NOT_FOUND, `the handler "${call.handler}" takes one message at a time, not ${messages.length}: only queue(batch, env, ctx) takes several`);
    return parsePayload((messages[0] as (typeof messages)[number]).json);
  }
  const { body, headers } = call.request as NonNullable<Call['request']>;
  if (!isWanted || body === undefined || body.length === 0) return undefined;
  const text = native.utf8Decode(body, false, false);
  if (!isJsonType(headers)) return text;
  try {
    return jsonParse(text);
  } catch (error) {
    if (strict) throw invalidJson(error);
    return text;
  }
}

function scheduledEvent(payload: unknown): object {
  const event: Record<string, unknown> = { type: 'scheduled', cron: '', scheduledTime: native.nowUs() / 1000 };
  return typeof payload === 'object' && payload !== null && !isArray(payload) ? { ...event, ...payload } : event;
}

/** A member function of an exported object; undefined when there is none. */
function member(object: object, name: string): Handler | undefined {
  const value = (object as Record<string, unknown>)[name];
  return typeof value === 'function' ? (value as Handler) : undefined;
}

function describe(object: object): string {
  const names: string[] = [];
  if (member(object, 'fetch') !== undefined) push(names, 'fetch');
  if (member(object, 'scheduled') !== undefined) push(names, 'scheduled');
  if (member(object, 'queue') !== undefined) push(names, 'queue');
  return names.length === 0 ? 'no fetch, scheduled or queue' : `only ${names.join(', ')}`;
}

function callObject(object: object, call: Call): unknown {
  if (call.request !== undefined) {
    const fetch = member(object, 'fetch');
    if (fetch !== undefined) return apply(fetch, object, [currentRequest(), env, context]);
  } else if (call.trigger === 'schedule') {
    const scheduled = member(object, 'scheduled');
    if (scheduled !== undefined) return apply(scheduled, object, [scheduledEvent(payloadOf(call, true)), env, context]);
  } else if (call.trigger === 'event') {
    const queue = member(object, 'queue');
    if (queue !== undefined) return apply(queue, object, [new Batch(call), env, context]);
  }
  const what = call.request !== undefined ? 'an HTTP request' : `a JSON payload (trigger ${call.trigger})`;
  const hint = call.request === undefined && member(object, 'fetch') !== undefined ? '; call it with an HTTP request' : '';
  throw new HandlerFailure(HANDLER_NOT_FOUND, `the default export has ${describe(object)}, but was called with ${what}${hint}`);
}

function missing(namespace: object, call: Call): never {
  const found = 'default' in namespace ? 'and the default export is neither a function nor an object' : 'and there is no default export';
  throw new HandlerFailure(HANDLER_NOT_FOUND, `the applet has no function "${call.export}" for the handler "${call.handler}", ${found}`);
}

function isThenable(value: unknown): boolean {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return false;
  // Of a promise `then` is not read, whatever an applet has put there: awaiting one does not read it either.
  return value instanceof SavedPromise || typeof (value as { then?: unknown }).then === 'function';
}

/** After the handler has answered. Of messages the answer is which are wanted again; of one event as JSON the call fails then, and the host calls again. */
function answer(value: unknown, mustRespond: boolean): Reply {
  if (running().messages !== undefined) return verdict();
  if (isRetryWanted()) throw new Error('the queue handler asked for a retry');
  return toReply(value, mustRespond);
}

async function finish(value: unknown, mustRespond: boolean): Promise<Reply> {
  let result: unknown;
  try {
    result = await value;
    // The caller has it before what was given to waitUntil is done.
    if (running().messages === undefined && !isRetryWanted()) {
      const response = streamed(result) ?? (isWaiting() && running().request !== undefined ? early(result, mustRespond) : undefined);
      if (response !== undefined) return await respond(response);
    }
  } finally {
    await settleWaits();
  }
  return answer(result, mustRespond);
}

/** A synchronous throw, after what was given to waitUntil. */
async function failLater(error: unknown): Promise<Reply> {
  await settleWaits();
  throw error;
}

/** A handler with one parameter reads `context.request` as it comes; for others the body is read before they are called. */
async function applyToStream(handler: Handler, self: unknown, call: Call, stream: StreamId): Promise<unknown> {
  if (handler.length === 1) return apply(handler, self, [context]);
  const request = call.request as NonNullable<Call['request']>;
  request.body = await readAll(hostSource(stream, undefined));
  request.stream = undefined;
  return apply(handler, self, [context, payloadOf(call, handler.length >= 2)]);
}

/** Whether the handler that was called last has no other answer than a Response. */
let mustRespond = false;

/** Finds the handler and calls it; answers what it returned. */
function invoke(namespace: Record<string, unknown>, call: Call): unknown {
  let target = call.export in namespace ? namespace[call.export] : namespace['default'];
  let self: unknown;
  if (typeof target === 'object' && target !== null && hasOwn(target, call.export) && call.export !== 'fetch') {
    // module.exports of CommonJS arrives as the default export.
    const own = member(target, call.export);
    if (own !== undefined) {
      self = target;
      target = own;
    }
  }
  mustRespond = false;
  if (typeof target === 'function') {
    const handler = target as Handler;
    return call.request?.stream === undefined
      ? apply(handler, self, [context, payloadOf(call, handler.length >= 2, !native.readsOne(handler))])
      : applyToStream(handler, self, call, call.request.stream);
  }
  if (typeof target === 'object' && target !== null) {
    mustRespond = call.request !== undefined;
    return callObject(target, call);
  }
  return missing(namespace, call);
}

function beginCall(call: Call): void {
  begin(call);
  startClock();
  startReporting(false);
  beginIntl(call.caller.locale);
  beginBatch();
}

/** A call of a test's: the handler as `runCall` has it, and what it answers as its caller sees it. */
async function callForTest(namespace: Record<string, unknown>, call: Call): Promise<unknown> {
  beginCall(call);
  let result: unknown;
  let responds = false;
  try {
    result = invoke(namespace, call);
    responds = mustRespond;
    result = await result;
  } finally {
    await settleWaits();
  }
  if (call.messages !== undefined) return jsonParse(verdict());
  if (isRetryWanted()) throw new Error('the queue handler asked for a retry');
  const response = call.request === undefined ? undefined : early(result, responds);
  if (response !== undefined) return checked(response);
  if (typeof result === 'object' && result !== null && isResponseObject(result)) return checked(result);
  const reply = toReply(result, responds);
  return typeof reply === 'string' ? jsonParse(reply) : undefined;
}

export function runCall(namespace: Record<string, unknown>, call: Call): Reply | Promise<Reply> {
  beginCall(call);
  let value: unknown;
  let responds = false;
  try {
    if (call.trigger === TEST_TRIGGER) {
      value = apply(namespace[call.export] as Handler, undefined, [payloadOf(call, true), testing(namespace, call, callForTest, beginCall)]);
    } else {
      value = invoke(namespace, call);
      responds = mustRespond;
    }
  } catch (error) {
    if (isWaiting()) return failLater(error);
    throw error;
  }
  if (isWaiting() || isThenable(value) || streamed(value) !== undefined) return finish(value, responds);
  return answer(value, responds);
}
