// Why a handler failed, as the engine reports it: errors as data, with bounds, whatever was thrown.

import type { ErrorReport, Failure } from '../bindings.ts';
import { getPrototypeOf, getOwnPropertyDescriptor, indexOf, isArray, jsonStringify, push, slice } from '../primordials.ts';
import { native } from '../native.ts';
import { inspect } from '../web/inspect.ts';

/** Characters of each text of a report. */
const TEXT_CHARS_MAX = 8_192;
const ERRORS_MAX = 16;

const THROWN = 0;
const CAUSE = 1;
const MEMBER = 2;

export const THREW = 0;
export const HANDLER_NOT_FOUND = 1;
export const INVALID_PAYLOAD = 2;
export const INVALID_RESULT = 3;
export const STACK_OVERFLOW = 4;

const SavedError = Error;

/** A failure that is not the applet's throw; the private field is the brand that `report` looks for. */
export class HandlerFailure extends SavedError {
  static { Object.defineProperty(this.prototype, 'name', { value: 'HandlerError', configurable: true }); }
  readonly #reason: number;
  constructor(reason: number, message: string) {
    super(message);
    this.#reason = reason;
  }
  /** Whether frames help: these errors are made by the driver, far from the author's code. */
  static reasonOf(error: unknown): number | undefined {
    return typeof error === 'object' && error !== null && #reason in error ? error.#reason : undefined;
  }
}

function shorten(text: string): string {
  return text.length <= TEXT_CHARS_MAX ? text : `${slice(text, 0, TEXT_CHARS_MAX - 40)}… ${text.length - TEXT_CHARS_MAX + 40} more characters`;
}

/** A property as text; undefined when it is missing, throws, or is neither a string nor a number. */
function textOf(error: object, name: string): string | undefined {
  try {
    const value = (error as Record<string, unknown>)[name];
    if (typeof value === 'string') return shorten(value);
    if (typeof value === 'number' || typeof value === 'bigint') return `${value}`;
  } catch {
    // A getter or a proxy that throws has nothing to say.
  }
  return undefined;
}

function detailsOf(error: object): string | undefined {
  try {
    const value = (error as Record<string, unknown>)['details'];
    if (value === undefined) return undefined;
    const text = jsonStringify(value) as string | undefined;
    // JSON that is cut is not JSON: too much is told as a string.
    return text === undefined || text.length <= TEXT_CHARS_MAX ? text : jsonStringify(`${slice(text, 0, 256)}…`);
  } catch {
    return undefined;
  }
}

function isErrorLike(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  try {
    if (value instanceof SavedError) return true;
    // An object that says both is as good as an error (a rejection of a library's own class).
    return typeof (value as Error).message === 'string' && typeof (value as Error).name === 'string';
  } catch {
    return false;
  }
}

function stackOf(error: object): string {
  let text = textOf(error, 'stack') ?? native.thrownStack(error);
  // V8 begins with "Name: message"; QuickJS has frames only, and frames are what the host reads.
  const first = indexOf(text, '    at ');
  if (first > 0) text = slice(text, first);
  return text;
}

function reportOne({ error, role, parent, untold }: Found): ErrorReport {
  if (!isErrorLike(error)) {
    let message: string;
    try {
      message = typeof error === 'string' ? error : inspect(error);
    } catch {
      message = 'a value that cannot be shown';
    }
    return { role, parent, name: 'Uncaught', message: shorten(message), stack: native.thrownStack(error), code: undefined, details: undefined };
  }
  let message = textOf(error, 'message') ?? '';
  if (untold > 0) message += ` (${untold} more errors are not told)`;
  return {
    role, parent, name: textOf(error, 'name') ?? 'Error', message, stack: stackOf(error),
    code: textOf(error, 'code'), details: detailsOf(error),
  };
}

function property(error: object, name: string): unknown {
  try {
    return (error as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

function has(error: object, name: string): boolean {
  try {
    return name in error;
  } catch {
    return false;
  }
}

interface Found {
  readonly error: unknown;
  readonly role: number;
  /** The place of the error that this one belongs to. */
  readonly parent: number;
  /** Errors that it gathers and that there was no room for. */
  untold: number;
}

/** The error, its causes, and what an AggregateError or a SuppressedError gathered: each once, and no more than there is room for. */
function chain(error: unknown): Found[] {
  const found: Found[] = [{ error, role: THROWN, parent: 0, untold: 0 }];
  for (let i = 0; i < found.length && found.length < ERRORS_MAX; i++) {
    const { error: current } = found[i] as Found;
    if (!isErrorLike(current)) continue;
    if (has(current, 'cause')) add(found, property(current, 'cause'), CAUSE, i);
    if (has(current, 'suppressed')) {
      add(found, property(current, 'error'), MEMBER, i);
      add(found, property(current, 'suppressed'), MEMBER, i);
    }
    const errors = property(current, 'errors');
    let many = false;
    try {
      many = isArray(errors);
    } catch {
      // A revoked proxy.
    }
    if (many) gather(found, errors as object, i);
  }
  return found;
}

function gather(found: Found[], errors: object, parent: number): void {
  let n = 0;
  for (; n < ERRORS_MAX && found.length < ERRORS_MAX && has(errors, `${n}`); n++) add(found, property(errors, `${n}`), MEMBER, parent);
  const count = property(errors, 'length');
  if (typeof count === 'number' && count > n) (found[parent] as Found).untold = count - n;
}

function add(found: Found[], error: unknown, role: number, parent: number): void {
  if (error === undefined || found.length >= ERRORS_MAX) return;
  for (let i = 0; i < found.length; i++) if ((found[i] as Found).error === error) return;
  push(found, { error, role, parent, untold: 0 });
}

function isStackOverflow(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  // Own data only: nothing of the applet's runs to decide the reason.
  const message = getOwnPropertyDescriptor(error, 'message')?.value as unknown;
  if (message !== 'Maximum call stack size exceeded' && message !== 'stack overflow') return false;
  const prototype = getPrototypeOf(error);
  const name = prototype === null ? undefined : (getOwnPropertyDescriptor(prototype, 'name')?.value as unknown);
  return name === 'RangeError' || name === 'InternalError';
}

export function report(error: unknown): Failure {
  try {
    const reason = HandlerFailure.reasonOf(error);
    const errors: ErrorReport[] = [];
    const all = chain(error);
    for (let i = 0; i < all.length; i++) push(errors, reportOne(all[i] as Found));
    if (reason !== undefined) {
      (errors[0] as ErrorReport).stack = '';
      return { reason, errors };
    }
    let overflow = false;
    try {
      overflow = isStackOverflow(error);
    } catch {
      // A proxy's trap threw: then it is no engine error.
    }
    return { reason: overflow ? STACK_OVERFLOW : THREW, errors };
  } catch {
    return { reason: THREW, errors: [{ role: THROWN, parent: 0, name: 'Uncaught', message: 'an error that cannot be shown', stack: '', code: undefined, details: undefined }] };
  }
}
