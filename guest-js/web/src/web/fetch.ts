// fetch over the http capability: bodies whole or in pieces both ways, cancellation by AbortSignal.

import type { Outcome } from '../bindings.ts';
import { native } from '../native.ts';
import { abandon, type ErrorOutcome, register, sdkFailure, unexpected } from '../operations.ts';
import { indexOf, promiseReject, promiseResolve, promiseThen, SavedPromise, SavedUint8Array, slice, startsWith } from '../primordials.ts';
import { stackHere } from '../sdk-error.ts';
import { isObject } from '../webidl.ts';
import { abortReason, type AbortSignal, addAlgorithm, removeAlgorithm } from './abort.ts';
import { bodyBytes, sourceOf } from './body.ts';
import { hostSource, pump } from './body-stream.ts';
import { parseDataUrl } from './data-url.ts';
import { stateFor } from './request.ts';
import { type Response, responseFromHost } from './response.ts';

function redirectNumber(mode: string): number { return mode === 'follow' ? 0 : mode === 'error' ? 1 : 2; }

/** Not part of the standard: our way to ask for less time than the host allows. */
function timeoutOf(init: unknown): number | undefined {
  const value = isObject(init) ? (init as { timeoutMs?: unknown }).timeoutMs : undefined;
  if (value === undefined) return undefined;
  const ms = Math.ceil(Number(value));
  if (!(ms >= 1 && ms <= 0xffffffff)) throw new TypeError('timeoutMs must be between 1 and 2^32 - 1');
  return ms;
}

/** Whatever the method is; only HEAD has no body (Fetch standard, 4.2 and 4.1). */
function answerData(href: string, method: string): Response {
  const data = parseDataUrl(href);
  if (data === undefined) throw new TypeError('fetch failed: the data: URL is not valid');
  return responseFromHost({ kind: 'response', status: 200, statusText: 'OK', url: href, redirected: false, headers: ['content-type', data.type], body: method === 'HEAD' ? new SavedUint8Array(0) : data.bytes }, undefined);
}

/** Answers in place of a response that came. */
export type Answering = (response: Response) => unknown;

let answering: Answering | undefined;

/** From here on responses are what `given` makes of them: a test that answers requests itself. */
export function answerWith(given: Answering | undefined): void { answering = given; }

/** What a test answers, unless the request is aborted before. */
function unlessAborted(answer: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  return new SavedPromise((resolve, reject) => {
    if (signal !== undefined) addAlgorithm(signal, () => reject(abortReason(signal)));
    void promiseThen(promiseResolve(answer), resolve, reject);
  });
}

type Fail = (outcome: ErrorOutcome, stack: string) => unknown;

function send(input: unknown, init: unknown, fail: Fail): Promise<Response> {
  const state = stateFor(input, init);
  const { signal } = state;
  if (signal !== undefined && signal.aborted) return promiseReject(abortReason(signal));
  if (startsWith(state.url, 'data:')) return promiseResolve(answerData(state.url, state.method));
  const hash = indexOf(state.url, '#');
  const url = hash < 0 ? state.url : slice(state.url, 0, hash);
  const stream = sourceOf(state.body);
  const timeoutMs = timeoutOf(init);
  const outgoing = stream === undefined ? undefined : native.bodyOpen();
  const operation = native.httpSend(state.method, url, state.list, outgoing ?? bodyBytes(state.body), redirectNumber(state.redirect), timeoutMs);
  const stack = stackHere();
  return new SavedPromise<Response>((resolve, reject) => {
    let cancel: (() => void) | undefined;
    if (signal !== undefined) {
      cancel = () => {
        abandon(operation);
        stream?.cancel(abortReason(signal));
        reject(abortReason(signal));
      };
      addAlgorithm(signal, cancel);
    }
    const done = (): void => {
      if (signal !== undefined && cancel !== undefined) removeAlgorithm(signal, cancel);
    };
    register(operation, {
      resolve: resolve as (value: unknown) => void, reject, stack,
      convert: (outcome: Outcome) => {
        done();
        if (outcome.kind !== 'response') return unexpected(outcome);
        const response = responseFromHost(outcome, outcome.stream === undefined ? undefined : hostSource(outcome.stream, signal, fail));
        return answering === undefined ? response : unlessAborted(answering(response), signal);
      },
      fail: (outcome: ErrorOutcome, at: string) => {
        done();
        return fail(outcome, at);
      },
    });
    if (stream === undefined || outgoing === undefined) return;
    void promiseThen(pump(stream, outgoing), undefined, (error) => {
      // The body's own error says more than what the host makes of a body that breaks off.
      done();
      abandon(operation);
      reject(error);
    });
  });
}

/** fetch, with the kind of error it fails with. */
export function fetchWith(input: unknown, init: unknown, fail: Fail): Promise<Response> {
  try {
    return send(input, init, fail);
  } catch (error) {
    return promiseReject(error);
  }
}

/** The standard has TypeError for whatever goes wrong on the way; the cause tells it apart. */
function fetchFailure(outcome: ErrorOutcome, stack: string): TypeError {
  const cause = sdkFailure(outcome, stack);
  const error = new TypeError(`fetch failed (${outcome.code}): ${outcome.message}`, { cause });
  Object.defineProperty(error, 'stack', { __proto__: null, value: stack, writable: true, configurable: true } as PropertyDescriptor);
  return error;
}

export function fetch(input: unknown, init?: unknown): Promise<Response> { return fetchWith(input, init, fetchFailure); }
