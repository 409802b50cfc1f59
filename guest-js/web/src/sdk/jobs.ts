// sdk.jobs: handlers of this applet, called later.

import type { Outcome } from '../bindings.ts';
import { native } from '../native.ts';
import { operate, unexpected } from '../operations.ts';
import { freeze, uncurryThis } from '../primordials.ts';
import { toId } from './events.ts';
import { json, milliseconds, options, optionalText, text } from './options.ts';

const timeOf = uncurryThis(Date.prototype.getTime) as (date: unknown) => number;

function priorityOf(value: unknown): number {
  if (typeof value !== 'number' || value % 1 !== 0 || value < -100 || value > 100) throw new RangeError('priority must be a whole number from -100 to 100');
  return value;
}

function begin(handler: unknown, payload: unknown, given: Record<string, unknown>, atMs: number | undefined): number {
  const { delayMs = 0, priority = 0, key } = given;
  const delay = milliseconds(delayMs, 'delayMs', 0);
  const written = json(payload === undefined ? null : payload, 'the payload');
  return native.jobEnqueue(text(handler, 'the handler'), written, delay, atMs, priorityOf(priority), optionalText(key, 'key'));
}

/** A Date, or Unix time in milliseconds. */
function moment(value: unknown): number { return milliseconds(typeof value === 'object' && value !== null ? timeOf(value) : value, 'the time', 0); }

function toFlag(outcome: Outcome): boolean { return outcome.kind === 'flag' ? outcome.flag : unexpected(outcome); }
function toDone(outcome: Outcome): void { if (outcome.kind !== 'ended') unexpected(outcome); }

export const jobs = freeze({
  enqueue: (handler: unknown, payload?: unknown, given?: unknown): Promise<string> =>
    operate(() => begin(handler, payload, options(given, 'enqueue', ['delayMs', 'priority', 'key']), undefined), toId),
  schedule: (handler: unknown, at: unknown, payload?: unknown, given?: unknown): Promise<string> =>
    operate(() => begin(handler, payload, options(given, 'schedule', ['priority', 'key']), moment(at)), toId),
  cancel: (id: unknown): Promise<boolean> => operate(() => native.jobCancel(text(id, 'the id')), toFlag),
  progress: (progress: unknown): Promise<void> => operate(() => native.jobProgress(json(progress, 'the progress')), toDone),
});
