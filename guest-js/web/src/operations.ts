// Operations that were handed to the host: one promise each, settled by `complete`. Knows no capability; what an outcome means
// is told by whoever starts the operation.

import type { OperationId, Outcome } from './bindings.ts';
import { native } from './native.ts';
import { mapDelete, mapGet, mapSet, mapSize, promiseReject, SavedMap, SavedPromise } from './primordials.ts';
import { SdkError, stackHere } from './sdk-error.ts';

export type ErrorOutcome = Extract<Outcome, { kind: 'error' }>;

export interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly convert: (outcome: Outcome) => unknown;
  readonly fail: (outcome: ErrorOutcome, stack: string) => unknown;
  /** Where the applet asked, because an error made when the outcome arrives has no frame of the applet's. */
  readonly stack: string;
}

const waiting = new SavedMap<OperationId, Waiting>();

export function sdkFailure(outcome: ErrorOutcome, stack: string): SdkError { return new SdkError(outcome, stack); }

export function register(operation: OperationId, entry: Waiting): void { mapSet(waiting, operation, entry); }

/** Starts an operation; what starting throws becomes a rejection, so that callers see one way of failing. */
export function operate<T>(start: () => OperationId, convert: (outcome: Outcome) => T, fail: Waiting['fail'] = sdkFailure): Promise<T> {
  let operation: OperationId;
  try {
    operation = start();
  } catch (error) {
    return promiseReject(error);
  }
  const stack = stackHere();
  return new SavedPromise<T>((resolve, reject) => {
    register(operation, { resolve: resolve as (value: unknown) => void, reject, convert, fail, stack });
  });
}

/** An outcome of a kind that the operation cannot have: the engine's fault, told as an error rather than as a wrong value. */
export function unexpected(outcome: Outcome): never { throw new TypeError(`the host answered with ${outcome.kind}`); }

/** Gives an operation up: its outcome, should one be under way, is ignored. */
export function abandon(operation: OperationId): void {
  if (mapDelete(waiting, operation)) native.cancel(operation);
}

export function outstanding(): number { return mapSize(waiting); }

export function complete(operation: OperationId, outcome: Outcome): void {
  const entry = mapGet(waiting, operation);
  if (entry === undefined) return;
  mapDelete(waiting, operation);
  let value: unknown;
  try {
    if (outcome.kind === 'error') {
      entry.reject(entry.fail(outcome, entry.stack));
      return;
    }
    value = entry.convert(outcome);
  } catch (error) {
    entry.reject(error);
    return;
  }
  entry.resolve(value);
}
