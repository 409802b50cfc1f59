// The one call of this sandbox: what it was called with and what it still waits for. Module state, because a sandbox serves
// one call and is dropped; so the context is made once, in the image, and a call allocates nothing for what it does not use.

import type { Call } from '../bindings.ts';
import { native } from '../native.ts';
import { freeze, promiseResolve, promiseThen, push } from '../primordials.ts';
import { beginConfig } from '../sdk/config.ts';
import { beginCustom } from '../sdk/custom.ts';
import { inspect } from '../web/inspect.ts';
import { type Request, requestFromParts } from '../web/request.ts';
import { AbortController } from '../web/abort.ts';

let current: Call | undefined;
let request: Request | undefined;
let controller: AbortController | undefined;
let parameters: Readonly<Record<string, string>> | undefined;
let waits: Promise<unknown>[] = [];

export function begin(call: Call): void {
  current = call;
  request = undefined;
  controller = undefined;
  parameters = undefined;
  beginConfig(call.config ?? '');
  beginCustom(call.custom);
  if (waits.length > 0) waits = [];
}

export function call(): Call {
  if (current === undefined) throw new TypeError('the context belongs to a call, and none is running');
  return current;
}

/** The HTTP request of the call; undefined when it was called with a value. */
export function currentRequest(): Request | undefined {
  const parts = call().request;
  if (parts === undefined) return undefined;
  return (request ??= requestFromParts(parts));
}

/** What the request's path has at the placeholders of the route. */
export function params(): Readonly<Record<string, string>> {
  if (parameters !== undefined) return parameters;
  const all: Record<string, string> = { __proto__: null } as never;
  const flat = call().params;
  if (flat !== undefined) for (let i = 0; i < flat.length; i += 2) all[flat[i] as string] = flat[i + 1] as string;
  return (parameters = freeze(all));
}

/** Never aborts for now: a sandbox that must stop is dropped. */
export function signal(): AbortController['signal'] { return (controller ??= new AbortController()).signal; }

function logRejection(reason: unknown): void { native.log(0, 3, `waitUntil: ${inspect(reason)}`, []); }

/** The reply waits for the promise; when it is rejected, that is logged. */
export function waitUntil(value: unknown): void { push(waits, promiseThen(promiseResolve(value), undefined, logRejection)); }

export function isWaiting(): boolean { return waits.length > 0; }

/** Waits for everything given to waitUntil, also for what is added meanwhile. */
export async function settleWaits(): Promise<void> {
  while (waits.length > 0) {
    const batch = waits;
    waits = [];
    for (let i = 0; i < batch.length; i++) await batch[i];
  }
}
