// What queue(batch, env, ctx) is called with: events that are delivered together, and what the handler says of each. Of a message the first
// word counts; one that is not mentioned is done with when the handler returns, and comes again when it throws.

import type { Call, MessageParts } from '../bindings.ts';
import { native } from '../native.ts';
import { floor, freeze, jsonParse, jsonStringify, push } from '../primordials.ts';
import { dictionary } from '../webidl.ts';
import { HandlerFailure, INVALID_PAYLOAD } from './failure.ts';

const SavedDate = Date;
const SECONDS_MAX = 366 * 24 * 3600;

export function invalidJson(error: unknown): HandlerFailure {
  return new HandlerFailure(INVALID_PAYLOAD, `the payload is not JSON: ${error instanceof SyntaxError ? error.message : 'it cannot be parsed'}`);
}

export function parsePayload(text: string): unknown {
  try {
    return jsonParse(text);
  } catch (error) {
    throw invalidJson(error);
  }
}

/** What is asked of one message. */
interface Verdict { readonly id: string; said: 'nothing' | 'ack' | 'retry'; delayMs: number | undefined }

let verdicts: Verdict[] = [];

function delayOf(options: unknown): number | undefined {
  const { delaySeconds } = dictionary(options, 'retry');
  if (delaySeconds === undefined) return undefined;
  if (typeof delaySeconds !== 'number' || !(delaySeconds >= 0) || delaySeconds > SECONDS_MAX) {
    throw new RangeError(`retry: delaySeconds must be a number from 0 to ${SECONDS_MAX}`);
  }
  return floor(delaySeconds * 1000);
}

function retry(verdict: Verdict, options: unknown): void {
  const delayMs = delayOf(options);
  if (verdict.said !== 'nothing') return;
  verdict.said = 'retry';
  verdict.delayMs = delayMs;
}

function ack(verdict: Verdict): void { if (verdict.said === 'nothing') verdict.said = 'ack'; }

function message(id: string, timestampMs: number, attempts: number, body: unknown): object {
  const verdict: Verdict = { id, said: 'nothing', delayMs: undefined };
  push(verdicts, verdict);
  return freeze({ id, timestamp: new SavedDate(timestampMs), attempts, body, ack: () => ack(verdict), retry: (options?: unknown) => retry(verdict, options) });
}

export class Batch {
  readonly queue: string;
  readonly messages: readonly object[];
  constructor(call: Call) {
    this.queue = call.handler;
    const messages: object[] = [];
    const parts = call.messages;
    if (parts === undefined) {
      const body = call.json === undefined ? undefined : parsePayload(call.json);
      push(messages, message(call.eventId ?? call.id, native.nowUs() / 1000, call.attempt ?? 1, body));
    } else {
      for (let i = 0; i < parts.length; i++) {
        const { id, publishedMs, attempt, json } = parts[i] as MessageParts;
        push(messages, message(id, publishedMs, attempt, parsePayload(json)));
      }
    }
    this.messages = freeze(messages);
  }
  ackAll(): void { for (let i = 0; i < verdicts.length; i++) ack(verdicts[i] as Verdict); }
  retryAll(options?: unknown): void { for (let i = 0; i < verdicts.length; i++) retry(verdicts[i] as Verdict, options); }
}

export function beginBatch(): void { if (verdicts.length > 0) verdicts = []; }

/** The messages that are wanted again; undefined when there are none. */
function wanted(): { id: string; delayMs: number | undefined }[] {
  const again: { id: string; delayMs: number | undefined }[] = [];
  for (let i = 0; i < verdicts.length; i++) {
    const { id, said, delayMs } = verdicts[i] as Verdict;
    if (said === 'retry') push(again, { id, delayMs });
  }
  return again;
}

/** Whether a retry was asked for. */
export function isRetryWanted(): boolean { return verdicts.length > 0 && wanted().length > 0; }

/** The answer to messages: JSON that `Response::retries` reads. */
export function verdict(): string { return jsonStringify({ retry: wanted() }); }
