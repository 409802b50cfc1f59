// sdk.events: publishes events by their names.

import type { Outcome } from '../bindings.ts';
import { native } from '../native.ts';
import { operate, unexpected } from '../operations.ts';
import { freeze } from '../primordials.ts';
import { json, milliseconds, options, optionalText, text } from './options.ts';

/** The id of an event or a job. */
export function toId(outcome: Outcome): string { return outcome.kind === 'text' && outcome.text !== undefined ? outcome.text : unexpected(outcome); }

function begin(name: unknown, payload: unknown, given: unknown): number {
  const { key, orderKey, delayMs = 0 } = options(given, 'publish', ['key', 'orderKey', 'delayMs']);
  const delay = milliseconds(delayMs, 'delayMs', 0);
  const written = json(payload === undefined ? null : payload, 'the payload');
  return native.eventPublish(text(name, 'the name'), written, optionalText(key, 'key'), optionalText(orderKey, 'orderKey'), delay);
}

export const events = freeze({
  publish: (name: unknown, payload?: unknown, given?: unknown): Promise<string> => operate(() => begin(name, payload, given), toId),
});
