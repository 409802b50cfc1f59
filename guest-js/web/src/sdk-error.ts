// The error of capabilities: what the host answered, as properties an applet can decide on.

import type { Outcome } from './bindings.ts';
import { defineProperty, indexOf, slice } from './primordials.ts';

const SavedError = Error;

/** The frames of the caller, without the line that names the error (V8 has one, QuickJS has none). */
export function stackHere(): string {
  let stack: unknown;
  try {
    ({ stack } = new SavedError());
  } catch {
    // The applet put a getter that throws on Error.prototype.
  }
  if (typeof stack !== 'string') return '';
  if (stack[0] !== 'E') return stack;
  const end = indexOf(stack, '\n');
  return end < 0 ? '' : slice(stack, end + 1);
}

/** A capability refused or failed. `code` is one of the cases in the WIT of the capability: `busy`, `denied`, `limit`, … */
export class SdkError extends SavedError {
  static {
    defineProperty(this.prototype, 'name', { value: 'SdkError', writable: true, configurable: true });
    // A bundler may rename the class.
    defineProperty(this, 'name', { value: 'SdkError', configurable: true });
  }
  readonly code: string;
  readonly capability: string;
  declare readonly limit?: string;
  declare readonly allowed?: number;
  declare readonly used?: number;

  constructor(from: Omit<Extract<Outcome, { kind: 'error' }>, 'kind'>, stack?: string) {
    super(from.message);
    this.code = from.code;
    this.capability = from.capability;
    if (from.limit !== undefined) {
      this.limit = from.limit;
      this.allowed = from.allowed;
      this.used = from.used;
    }
    if (stack !== undefined) defineProperty(this, 'stack', { __proto__: null, value: stack, writable: true, configurable: true } as PropertyDescriptor);
  }

  /** What the host shows beside the message. */
  get details(): Record<string, unknown> {
    const details: Record<string, unknown> = { capability: this.capability };
    if (this.limit !== undefined) {
      details['limit'] = this.limit;
      details['allowed'] = this.allowed;
      details['used'] = this.used;
    }
    return details;
  }
}
