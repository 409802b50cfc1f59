// Answers out of a recording, as `belljar replay --fixture` writes it (host/core/src/engine/fixture.rs): a test's applet meets what it met then.

import type { Recorded, RecordedError, RecordedMessage, SentRequest } from '@belljar/sdk/test';
import { CallError, customMistake, custom } from './custom.ts';
import { equal } from './equal.ts';
import { answerRequests } from './http.ts';

type Exchange = Recorded['http'][number];
type Call = Recorded['custom'][number];

/** Statuses whose responses have no body: WHATWG fetch, "null body status". */
const NULL_BODY = [101, 103, 204, 205, 304];

function bytesOf({ body, bodyBase64 }: RecordedMessage): Uint8Array {
  return bodyBase64 === undefined ? new TextEncoder().encode(body ?? '') : Uint8Array.from(atob(bodyBase64), (one) => one.charCodeAt(0));
}

function failure({ code, message, limit, allowed, used }: RecordedError): CallError {
  return new CallError(code, message, limit === undefined ? {} : { limit, allowed: allowed ?? 0, used: used ?? 0 });
}

function responseOf({ status, headers, ...message }: NonNullable<Exchange['response']>): Response {
  return new Response(NULL_BODY.includes(status) ? null : bytesOf(message) as BodyInit, { status, headers: headers as [string, string][] });
}

/** Takes the first that fits and has not been taken; once all are, the last that fits again. */
function taker<T>(all: readonly T[]): (fits: (one: T) => boolean) => T | undefined {
  const taken = new Set<T>();
  return (fits) => {
    const fitting = all.filter(fits);
    const one = fitting.find((each) => !taken.has(each)) ?? fitting.at(-1);
    if (one !== undefined) taken.add(one);
    return one;
  };
}

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(keyOf(one), [...groups.get(keyOf(one)) ?? [], one]);
  return groups;
}

/** Requests are known by method and URL; of several the one with the same body is preferred, and else they are answered in their order. */
function answerHttp(exchanges: readonly Exchange[]): void {
  for (const group of grouped(exchanges, ({ request }) => `${request.method} ${request.url}`).values()) {
    const { method, url } = (group[0] as Exchange).request;
    const take = taker(group);
    answerRequests(method, url, (sent: SentRequest) => {
      const hasItsBody = (one: Exchange): boolean => equal(bytesOf(one.request), sent.bytes);
      const { response, error } = take(group.some(hasItsBody) ? hasItsBody : () => true) as Exchange;
      if (error !== undefined) throw failure(error);
      return responseOf(response as NonNullable<Exchange['response']>);
    });
  }
}

/** Calls are known by all of their argument: what was not asked then has no answer now. */
function answerCustom(calls: readonly Call[]): void {
  for (const [capability, group] of grouped(calls, (call) => call.capability)) {
    const functions = [...grouped(group, (call) => call.function)].map(([name, of]) => {
      const take = taker(of);
      const body = (argument: unknown): unknown => {
        const call = take((one) => equal(one.argument, argument));
        if (call === undefined) throw customMistake(`sdk.${capability}.${name}(${JSON.stringify(argument)}) is not in the recording`);
        if (call.error !== undefined) throw failure(call.error);
        return call.answer;
      };
      return [name, body] as const;
    });
    custom(capability, Object.fromEntries(functions));
  }
}

/** Has requests and functions of the host's own answered as they were when it was recorded. */
export function recorded(recording: Recorded): void {
  if (!Array.isArray(recording?.http) || !Array.isArray(recording.custom)) {
    throw new TypeError('mock.recorded: give it what `belljar replay --fixture` has written: import it as JSON');
  }
  answerHttp(recording.http);
  answerCustom(recording.custom);
}
