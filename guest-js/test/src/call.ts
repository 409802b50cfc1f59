// Calls of the applet's handlers by their names, as a server would make them, in the sandbox of the test.

import type { CallOptions } from '@belljar/sdk/test';
import type { Applet, CallOfTest, RequestParts } from './driver.ts';
import { testing } from './host.ts';
import { config } from './sinks.ts';

const TRIGGERS: Readonly<Record<string, string>> = { schedule: 'schedule', event: 'event' };
const OPTIONS = ['tenant', 'user', 'organisation', 'permissions', 'locale', 'config', 'params', 'attempt', 'trigger', 'eventId', 'jobId'];

let applet: Applet = { handlers: [], custom: [] };
/** The call before: the sandbox has one at a time. */
let last: Promise<unknown> = Promise.resolve();

export function setApplet(given: Applet): void { applet = given; }

function handlerOf(name: string): Applet['handlers'][number] {
  const found = applet.handlers.find((handler) => handler.name === name);
  if (found === undefined) throw new TypeError(`the applet has no handler ${JSON.stringify(name)}; it has: ${applet.handlers.map((handler) => handler.name).join(', ')}`);
  return found;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What the path has at the placeholders of a route: name, value, name, value, … */
function paramsOf(route: string | undefined, path: string): string[] {
  if (route === undefined) return [];
  const wanted = route.slice(1).split('/');
  const parts = path.slice(1).split('/');
  const params: string[] = [];
  for (let i = 0; i < wanted.length; i++) {
    const part = wanted[i] as string;
    if (part === '*') return [...params, '*', decoded(parts.slice(i).join('/'))];
    if (i >= parts.length || (!part.startsWith(':') && part !== parts[i])) return [];
    if (part.startsWith(':')) params.push(part.slice(1), decoded(parts[i] as string));
  }
  return wanted.length === parts.length ? params : [];
}

async function partsOf(request: Request): Promise<RequestParts> {
  const body = request.body === null ? undefined : new Uint8Array(await request.clone().arrayBuffer());
  return { method: request.method, url: request.url, headers: [...request.headers].flat(), ...(body === undefined ? {} : { body }) };
}

function common(name: string, options: CallOptions): Omit<CallOfTest, 'json' | 'request'> {
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option));
  if (unknown !== undefined) throw new TypeError(`call has no option ${JSON.stringify(unknown)}; it has: ${OPTIONS.join(', ')}`);
  const { export: exported, type } = handlerOf(name);
  const { tenant, user, organisation, permissions, locale, attempt, eventId, jobId } = options;
  const configured = { ...config.current, ...options.config };
  return {
    handler: name, export: exported, trigger: options.trigger ?? TRIGGERS[type] ?? 'one-off',
    caller: { tenant: tenant ?? 'test', permissions: [...(permissions ?? [])], locale: locale ?? 'en', user, organisation } as CallOfTest['caller'],
    config: Object.keys(configured).length === 0 ? '' : JSON.stringify(configured),
    ...(options.params === undefined ? {} : { params: Object.entries(options.params).flat() }),
    ...(attempt === undefined ? {} : { attempt }), ...(eventId === undefined ? {} : { eventId }), ...(jobId === undefined ? {} : { jobId }),
  };
}

function jsonOf(payload: unknown, otherwise: object): string {
  const json = JSON.stringify(payload === undefined ? otherwise : payload) as string | undefined;
  if (json === undefined) throw new TypeError(`a payload is JSON, and a ${typeof payload} is none`);
  return json;
}

function inTurn(given: () => CallOfTest | Promise<CallOfTest>): Promise<unknown> {
  const { call } = testing();
  const called = last.then(async () => call(await given()));
  last = called.catch(() => undefined);
  return called;
}

/** Calls a handler with a payload or a Request: answers its value, as JSON carries it, or its Response. */
export async function call(name: string, payload?: unknown, options: CallOptions = {}): Promise<unknown> {
  const given = common(name, options);
  const { path, cron } = handlerOf(name);
  if (payload instanceof Request) {
    const params = given.params ?? paramsOf(path, new URL(payload.url).pathname);
    return inTurn(async () => ({ ...given, trigger: options.trigger ?? 'http', params, json: undefined, request: await partsOf(payload) }));
  }
  const json = jsonOf(payload, cron === undefined ? {} : { cron });
  return inTurn(() => ({ ...given, json, request: undefined }));
}

/** Delivers events to a handler in one batch; answers which of them it wants again. The ids are `evt_1`, `evt_2`, … */
export async function deliver(name: string, payloads: readonly unknown[], options: CallOptions = {}): Promise<{ retry: { id: string; delayMs?: number }[] }> {
  const given = common(name, options);
  const messages = payloads.map((payload, at) => ({ id: `evt_${at + 1}`, publishedMs: testing().nowUs() / 1000, attempt: options.attempt ?? 1, json: jsonOf(payload, {}) }));
  return inTurn(() => ({ ...given, json: undefined, request: undefined, messages })) as Promise<{ retry: { id: string; delayMs?: number }[] }>;
}
