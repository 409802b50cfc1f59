// What `belljar test` needs inside: calls of the applet's own handlers within the call of a test, errors as data, and a say in what fetch and the
// embedder's functions answer. The host alone says that a call is a test's, by its trigger; what a test can do beyond that of any call is pretend to be
// another caller of its own handlers, and be asked in the place of the host.

import type { Call, Caller, Failure } from '../bindings.ts';
import { native } from '../native.ts';
import { type CustomDouble, doubleCustom } from '../sdk/custom.ts';
import { answerWith, type Answering } from '../web/fetch.ts';
import { report } from './failure.ts';

/** The trigger of a test's call. */
export const TEST_TRIGGER = 'test';

/** What a test says of a call; the rest is as in its own. */
export type CallOfTest = Omit<Call, 'id' | 'deadlineMs' | 'caller'> & { caller: Partial<Caller> };

export interface Testing {
  /** Calls a handler: its value, or its Response. One at a time. */
  call(given: CallOfTest): Promise<unknown>;
  report(error: unknown): Failure;
  /** What becomes of the responses of the http capability. */
  answerWith(answering: Answering | undefined): void;
  /** What stands in for an embedder's own capabilities. */
  doubleCustom(double: CustomDouble): void;
  /** Time of the sandbox, Unix microseconds. */
  nowUs(): number;
}

type CallOf = (namespace: Record<string, unknown>, call: Call) => Promise<unknown>;

export function testing(namespace: Record<string, unknown>, given: Call, callOf: CallOf, begin: (call: Call) => void): Testing {
  let outer = given;
  let isCalling = false;
  async function call(given: CallOfTest): Promise<unknown> {
    if (isCalling) throw new Error('a sandbox has one call at a time');
    isCalling = true;
    try {
      return await callOf(namespace, { ...given, ...(outer.custom && { custom: outer.custom }), id: outer.id, deadlineMs: outer.deadlineMs, caller: { ...outer.caller, ...given.caller } });
    } finally {
      isCalling = false;
      begin(outer);
    }
  }
  function standIn(double: CustomDouble): void { outer = { ...outer, custom: doubleCustom(double, outer.custom) }; }
  return { call, report, answerWith, doubleCustom: standIn, nowUs: () => native.nowUs() };
}
