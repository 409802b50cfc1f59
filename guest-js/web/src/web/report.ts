// Errors that nobody catches (HTML standard, 8.1.4.6 and 8.1.4.7): told by `error`, `unhandledrejection` and `rejectionhandled` events of
// the global object, and by the log (a program: by its failure) unless a listener cancels the event. No event is made that nobody hears.

import { native } from '../native.ts';
import { once } from '../lazy.ts';
import { indexOf, lastIndexOf, matches, promiseReject, slice, split, uncurryThis } from '../primordials.ts';
import { dictionary, domString, finishInterface, required, usvString } from '../webidl.ts';
import { dispatch, Event, eventHandler, isHeard, setExceptionHook, trusted } from './event.ts';
import { inspect } from './inspect.ts';

const { globalThis: theGlobal } = globalThis as unknown as { globalThis: object };
const SavedPromise = Promise;

export const errorEvents = once(() => {
  class ErrorEvent extends Event {
    readonly #message: string;
    readonly #filename: string;
    readonly #line: number;
    readonly #column: number;
    readonly #error: unknown;
    constructor(type: unknown, init?: unknown) {
      required(arguments.length, 1, 'ErrorEvent');
      super(type, init);
      const options = dictionary(init, 'ErrorEvent');
      this.#column = options['colno'] === undefined ? 0 : Number(options['colno']) >>> 0;
      this.#error = options['error'];
      this.#filename = options['filename'] === undefined ? '' : usvString(options['filename']);
      this.#line = options['lineno'] === undefined ? 0 : Number(options['lineno']) >>> 0;
      this.#message = options['message'] === undefined ? '' : domString(options['message']);
    }
    get message(): string { return this.#message; }
    get filename(): string { return this.#filename; }
    get lineno(): number { return this.#line; }
    get colno(): number { return this.#column; }
    get error(): unknown { return this.#error; }
  }
  finishInterface(ErrorEvent, 'ErrorEvent', ':1');

  class PromiseRejectionEvent extends Event {
    readonly #promise: object;
    readonly #reason: unknown;
    constructor(type: unknown, init: unknown) {
      required(arguments.length, 2, 'PromiseRejectionEvent');
      super(type, init);
      const { promise, reason } = dictionary(init, 'PromiseRejectionEvent');
      if (promise === undefined) throw new TypeError('PromiseRejectionEvent: the option "promise" is required');
      this.#promise = promise instanceof SavedPromise ? promise : SavedPromise.resolve(promise);
      this.#reason = reason;
    }
    get promise(): object { return this.#promise; }
    get reason(): unknown { return this.#reason; }
  }
  finishInterface(PromiseRejectionEvent, 'PromiseRejectionEvent', ':2');
  return { ErrorEvent, PromiseRejectionEvent };
});

/** Where an error was made, by the first frame of the applet's in its stack. */
function position(error: unknown): { filename: string; lineno: number; colno: number } {
  const nowhere = { filename: '', lineno: 0, colno: 0 };
  try {
    const stack = (error as { stack?: unknown }).stack;
    if (typeof stack !== 'string') return nowhere;
    const frames = split(stack, '\n');
    for (let i = 0; i < frames.length; i++) {
      let frame = frames[i] as string;
      const open = lastIndexOf(frame, '(');
      if (open >= 0) frame = slice(frame, open + 1, lastIndexOf(frame, ')'));
      const column = lastIndexOf(frame, ':');
      const line = lastIndexOf(frame, ':', column - 1);
      if (line < 0 || indexOf(frame, 'belljar:web') >= 0 || !matches(/^\d+$/, slice(frame, column + 1))) continue;
      const from = lastIndexOf(frame, ' ', line) + 1;
      return { filename: slice(frame, from, line), lineno: Number(slice(frame, line + 1, column)), colno: Number(slice(frame, column + 1)) };
    }
  } catch {
    // Whatever was thrown may be a proxy that throws itself.
  }
  return nowhere;
}

function messageOf(error: unknown): string {
  try {
    return `Uncaught ${domString(error)}`;
  } catch {
    return 'Uncaught exception';
  }
}

/** Promises by which the engine hears of exceptions: they are no rejections of the applet's. */
const exceptions = new WeakSet<object>();
const exceptionsAdd = uncurryThis(WeakSet.prototype.add).bind(undefined, exceptions) as unknown as (promise: object) => unknown;
const exceptionsHas = uncurryThis(WeakSet.prototype.has).bind(undefined, exceptions) as unknown as (promise: object) => boolean;
let isReporting = false;

const PREPARATION = 0;
const CALL = 1;
const PROGRAM = 2;
/** What runs, which decides what an error does that no listener has canceled: fail a preparation or a program, or be logged. */
let runs = PREPARATION;
export function startReporting(isProgram: boolean): void { runs = isProgram ? PROGRAM : CALL; }

function log(prefix: string, error: unknown): void {
  try {
    native.log(0, 3, `${prefix}${inspect(error)}`, []);
  } catch {
    // The log may be full, and the error a proxy that throws.
  }
}

/** Reports an exception that nobody can catch any more. */
export function reportException(error: unknown): void {
  // An error of a listener for errors is not told to it again.
  if (!isReporting && isHeard(theGlobal, 'error')) {
    isReporting = true;
    try {
      const { ErrorEvent } = errorEvents();
      if (!dispatch(theGlobal, trusted(new ErrorEvent('error', { cancelable: true, message: messageOf(error), error, ...position(error) })))) return;
    } finally {
      isReporting = false;
    }
  }
  if (runs === CALL) log('Uncaught ', error);
  else exceptionsAdd(promiseReject(error));
}
setExceptionHook(reportException);

export function reportError(error: unknown): void {
  required(arguments.length, 1, 'reportError');
  reportException(error);
}

function tell(type: string, promise: object, reason: unknown): boolean {
  if (!isHeard(theGlobal, type)) return true;
  const { PromiseRejectionEvent } = errorEvents();
  return dispatch(theGlobal, trusted(new PromiseRejectionEvent(type, { cancelable: type === 'unhandledrejection', promise, reason })));
}

/** A promise was rejected and nobody has handled it. False when that is to fail the program. */
export function rejected(promise: object, reason: unknown): boolean {
  if (!exceptionsHas(promise) && !tell('unhandledrejection', promise, reason)) return true;
  if (runs !== CALL) return false;
  log('Uncaught (in promise) ', reason);
  return true;
}

/** A promise that `rejected` was told of has been handled after all. */
export function handled(promise: object, reason: unknown): void { tell('rejectionhandled', promise, reason); }

/** The attributes onerror, onunhandledrejection and onrejectionhandled of the global object. */
export function installHandlers(): void {
  eventHandler(theGlobal, 'error', (event) => {
    const { ErrorEvent } = errorEvents();
    if (!(event instanceof ErrorEvent)) return undefined;
    return [event.message, event.filename, event.lineno, event.colno, event.error];
  });
  eventHandler(theGlobal, 'unhandledrejection');
  eventHandler(theGlobal, 'rejectionhandled');
}
