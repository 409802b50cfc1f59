// AbortController and AbortSignal. Inside the platform, waiting for an abort is an algorithm (a function), not an event listener.

import { isArray, push } from '../primordials.ts';
import { finishInterface } from '../webidl.ts';
import { DOMException } from './dom-exception.ts';
import { dispatch, Event, eventHandler, EventTarget, setAbortHook, setDispatchError, trusted } from './event.ts';
import { backgroundTimeout } from './timers.ts';

interface SignalState {
  aborted: boolean;
  reason: unknown;
  algorithms: (() => void)[];
  /** Signals made by AbortSignal.any of this one. */
  dependents: AbortSignal[];
  sources: AbortSignal[];
}

let stateOf: (signal: AbortSignal) => SignalState;
let allowed = false;

export class AbortSignal extends EventTarget {
  readonly #state: SignalState = { aborted: false, reason: undefined, algorithms: [], dependents: [], sources: [] };
  declare onabort: ((event: unknown) => unknown) | null;
  static { stateOf = (signal) => signal.#state; }
  static isSignal(value: unknown): value is AbortSignal { return typeof value === 'object' && value !== null && #state in value; }

  constructor() {
    if (!allowed) throw new TypeError('Illegal constructor');
    super();
  }
  get aborted(): boolean { return this.#state.aborted; }
  get reason(): unknown { return this.#state.reason; }
  throwIfAborted(): void { if (this.#state.aborted) throw this.#state.reason; }

  static abort(reason?: unknown): AbortSignal {
    const signal = newSignal();
    abortSignal(signal, reason);
    return signal;
  }

  static timeout(milliseconds: unknown): AbortSignal {
    const ms = Math.trunc(Number(milliseconds));
    if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) throw new TypeError('AbortSignal.timeout: the delay must be a whole number of milliseconds');
    const signal = newSignal();
    backgroundTimeout(() => abortSignal(signal, new DOMException('the operation timed out', 'TimeoutError')), ms > 0x7fffffff ? 0x7fffffff : ms);
    return signal;
  }

  static any(signals: Iterable<unknown>): AbortSignal {
    const list = isArray(signals) ? signals : [...signals];
    const result = newSignal();
    for (let i = 0; i < list.length; i++) if (!isSignal(list[i])) throw new TypeError('AbortSignal.any: give signals');
    for (let i = 0; i < list.length; i++) {
      const state = stateOf(list[i] as AbortSignal);
      if (state.aborted) {
        abortSignal(result, state.reason);
        return result;
      }
    }
    for (let i = 0; i < list.length; i++) {
      const source = list[i] as AbortSignal;
      const { sources } = stateOf(source);
      // A signal that depends on others stands for them, so that chains do not grow.
      const roots = sources.length > 0 ? sources : [source];
      for (let n = 0; n < roots.length; n++) {
        push(stateOf(roots[n] as AbortSignal).dependents, result);
        push(stateOf(result).sources, roots[n] as AbortSignal);
      }
    }
    return result;
  }
}
export const isSignal = AbortSignal.isSignal;
delete (AbortSignal as unknown as Record<string, unknown>)['isSignal'];
eventHandler(AbortSignal.prototype, 'abort');
finishInterface(AbortSignal, 'AbortSignal');

export function newSignal(): AbortSignal {
  allowed = true;
  try {
    return new AbortSignal();
  } finally {
    allowed = false;
  }
}

export function abortSignal(signal: AbortSignal, reason: unknown): void {
  const state = stateOf(signal);
  if (state.aborted) return;
  const why = reason === undefined ? new DOMException('this operation was aborted', 'AbortError') : reason;
  // All signals are marked before any code of the applet's runs, so that it sees them agree.
  const all: AbortSignal[] = [signal];
  mark(state, why);
  for (let i = 0; i < state.dependents.length; i++) {
    const dependent = state.dependents[i] as AbortSignal;
    if (stateOf(dependent).aborted) continue;
    mark(stateOf(dependent), why);
    push(all, dependent);
  }
  state.dependents = [];
  for (let i = 0; i < all.length; i++) {
    const current = all[i] as AbortSignal;
    const { algorithms } = stateOf(current);
    stateOf(current).algorithms = [];
    for (let n = 0; n < algorithms.length; n++) (algorithms[n] as () => void)();
    dispatch(current, trusted(new Event('abort')));
  }
}

function mark(state: SignalState, reason: unknown): void {
  state.aborted = true;
  state.reason = reason;
}

/** Runs `then` when the signal aborts; false when it has. */
export function addAlgorithm(signal: AbortSignal, then: () => void): boolean {
  const state = stateOf(signal);
  if (state.aborted) return false;
  push(state.algorithms, then);
  return true;
}

export function removeAlgorithm(signal: AbortSignal, then: () => void): void {
  const state = stateOf(signal);
  const kept: (() => void)[] = [];
  for (let i = 0; i < state.algorithms.length; i++) if (state.algorithms[i] !== then) push(kept, state.algorithms[i] as () => void);
  state.algorithms = kept;
}

export function abortReason(signal: AbortSignal): unknown { return stateOf(signal).reason; }

setAbortHook((signal, then) => {
  if (!isSignal(signal)) throw new TypeError('addEventListener: the signal must be an AbortSignal');
  return addAlgorithm(signal, then);
});
setDispatchError(DOMException);

export class AbortController {
  readonly #signal = newSignal();
  get signal(): AbortSignal { return this.#signal; }
  abort(reason?: unknown): void { abortSignal(this.#signal, reason); }
}
finishInterface(AbortController, 'AbortController');
