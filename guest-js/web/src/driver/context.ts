// `context`, the first argument of handlers: who calls, what was asked, and helpers to answer. Getters over the running call, so
// that a handler pays for what it reads; nothing depends on `this`, so that `({ json, waitUntil }) => …` works.

import { freeze, defineProperty, copyArray } from '../primordials.ts';
import { sdk } from '../sdk.ts';
import { configured } from '../sdk/config.ts';
import type { Request } from '../web/request.ts';
import { Response } from '../web/response.ts';
import { call, currentRequest, params, signal, waitUntil } from './invocation.ts';

function problem(status: number, code: string, message: unknown, fallback: string): Response {
  return Response.json({ error: { code, message: message === undefined ? fallback : `${message as string}` } }, { status });
}

export const context = {
  get tenant(): string { return call().caller.tenant; },
  get user(): string | undefined { return call().caller.user; },
  get organisation(): string | undefined { return call().caller.organisation; },
  get permissions(): readonly string[] { return freeze(copyArray(call().caller.permissions)); },
  get locale(): string { return call().caller.locale; },
  get applet(): string { return call().caller.applet; },
  get version(): string { return call().caller.version; },
  get handler(): string { return call().handler; },
  get trigger(): string { return call().trigger; },
  get invocationId(): string { return call().id; },
  /** Unix time in milliseconds. */
  get deadline(): number { return call().deadlineMs; },
  get params(): Readonly<Record<string, string>> { return params(); },
  get config(): Readonly<Record<string, unknown>> { return configured(); },
  get attempt(): number { return call().attempt ?? 1; },
  get eventId(): string | undefined { return call().eventId; },
  get jobId(): string | undefined { return call().jobId; },
  get sdk(): typeof sdk { return sdk; },
  get request(): Request | undefined { return currentRequest(); },
  get signal(): ReturnType<typeof signal> { return signal(); },
  waitUntil,
  json: (value: unknown, status = 200): Response => Response.json(value, { status }),
  text: (value: unknown, status = 200): Response => new Response(`${value as string}`, { status }),
  badRequest: (message?: unknown): Response => problem(400, 'bad_request', message, 'bad request'),
  unauthorized: (message?: unknown): Response => problem(401, 'unauthorized', message, 'unauthorized'),
  forbidden: (message?: unknown): Response => problem(403, 'forbidden', message, 'forbidden'),
  notFound: (message?: unknown): Response => problem(404, 'not_found', message, 'not found'),
  conflict: (message?: unknown): Response => problem(409, 'conflict', message, 'conflict'),
};

/** `context` as data, for console.log and JSON. */
function toJSON(): Record<string, unknown> {
  const { caller, handler, trigger, id, deadlineMs } = call();
  return {
    tenant: caller.tenant, user: caller.user, organisation: caller.organisation, permissions: context.permissions, locale: caller.locale,
    applet: caller.applet, version: caller.version, handler, trigger, invocationId: id, deadline: deadlineMs, params: context.params, attempt: context.attempt,
  };
}
defineProperty(context, 'toJSON', { value: toJSON });
defineProperty(context, Symbol.for('nodejs.util.inspect.custom'), { value: toJSON });
freeze(context);

/** The second argument of fetch(request, env, ctx) and its siblings. */
export const env = freeze({ sdk });
