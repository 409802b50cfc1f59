// Mocked functions of a host's own capabilities (`permissions.custom`): what `sdk.NAME.FUNCTION` answers in a test. What goes in and out is JSON and
// errors are told as a host tells them, so that an applet sees no difference.

import type { CallErrorDetails, CustomCall } from '@belljar/sdk/test';
import { AssertionError } from './assertion.ts';
import type { Outcome } from './driver.ts';
import { testing } from './host.ts';

type Mocked = (argument: unknown) => unknown;

interface Mocks { readonly functions: Map<string, Mocked>; readonly calls: CustomCall[] }

/** What every object has, and what promises and JSON ask each for: no host offers a function of such a name. */
const NAME = /^(?!(?:then|toJSON)$)[a-z][A-Za-z0-9]{0,63}$/;

let asked: readonly string[] = [];
let mocked = new Map<string, Mocks>();
/** What is wrong with the test whatever the applet makes of it. */
let mistakes: Error[] = [];

export function setCustom(given: readonly string[]): void { asked = given; }

/** Thrown by a mock: the applet sees an SdkError with this code and message, and the limit if there is one. */
export class CallError extends Error {
  static { Object.defineProperty(this.prototype, 'name', { value: 'CallError', configurable: true }); }
  readonly code: string;
  readonly limit?: string;
  readonly allowed?: number;
  readonly used?: number;
  constructor(code: string, message: string, details: CallErrorDetails = {}) {
    super(message);
    if (typeof code !== 'string' || code === '') throw new TypeError('CallError: the code must be a text, such as "no-such-note"');
    this.code = code;
    Object.assign(this, details);
  }
}

function namesOf(capability: string): string[] { return [...(mocked.get(capability)?.functions.keys() ?? [])]; }

/** An error that fails the test, whatever the applet makes of it. */
export function customMistake(message: string): Error {
  const error = new TypeError(message);
  mistakes.push(error);
  return error;
}

/** The applet reads a function that the test has no mock for. */
function missing(capability: string, name: string): string {
  const there = namesOf(capability).map((one) => `${capability}.${one}`);
  return customMistake(`sdk.${capability}.${name} is not mocked (${there.length === 0 ? `nothing of ${capability} is` : `mocked are ${there.join(', ')}`}): say what it answers with mock.custom('${capability}', { ${name}: (argument) => … })`).message;
}

/** An error of the mock's, as a host tells it: one with a code as it is, any other to the log only. */
function failure(which: string, error: unknown): Outcome {
  const { code, message, limit, allowed, used } = (typeof error === 'object' && error !== null ? error : {}) as Partial<CallError>;
  if (typeof code === 'string') {
    return { kind: 'error', capability: 'custom', code, message: `${message}`, ...(limit === undefined ? {} : { limit, allowed: allowed ?? 0, used: used ?? 0 }) };
  }
  // An expectation that does not hold is the test's failure, even where the applet catches what becomes of it.
  if (error instanceof AssertionError) mistakes.push(error);
  console.error(`the mock of ${which} failed:`, error);
  return { kind: 'error', capability: 'custom', code: 'failed', message: 'the host\'s own function failed' };
}

function jsonOf(which: string, value: unknown): string {
  let why: string;
  try {
    const json = JSON.stringify(value === undefined ? null : value) as string | undefined;
    if (json !== undefined) return json;
    why = `it is a ${typeof value}`;
  } catch (error) {
    why = (error as Error).message;
  }
  const mistake = new TypeError(`the mock of ${which} answered with what JSON cannot hold: ${why}`);
  mistakes.push(mistake);
  throw mistake;
}

async function answer(capability: string, name: string, argument: string): Promise<Outcome> {
  const { functions, calls } = mocked.get(capability) as Mocks;
  const which = `sdk.${capability}.${name}`;
  calls.push({ name, argument: JSON.parse(argument) as unknown });
  try {
    // One of its own: what the mock does to it is not done to what was recorded.
    return { kind: 'text', text: jsonOf(which, await (functions.get(name) as Mocked)(JSON.parse(argument))) };
  } catch (error) {
    return failure(which, error);
  }
}

/** A test begins: nothing is mocked. */
export function beginCustom(): void {
  mocked = new Map();
  mistakes = [];
  if (asked.length === 0) return;
  testing().doubleCustom({ asked, missing, answer, functions: (capability) => (mocked.has(capability) ? namesOf(capability) : undefined) });
}

/** The first mistake of the test, if there was any. */
export function mistake(): Error | undefined { return mistakes[0]; }

/** Says what functions of a capability answer; those that were given before stay. */
export function custom(capability: string, functions: Readonly<Record<string, Mocked>>): { readonly calls: readonly CustomCall[] } {
  testing();
  if (!asked.includes(capability)) {
    throw new TypeError(`mock.custom: the manifest does not ask for ${JSON.stringify(capability)} by permissions.custom; it asks for ${asked.length === 0 ? 'nothing' : asked.join(', ')}`);
  }
  if (typeof functions !== 'object' || functions === null) throw new TypeError(`mock.custom: give the functions of ${capability} by their names: { name: (argument) => answer }`);
  const mocks = mocked.get(capability) ?? { functions: new Map<string, Mocked>(), calls: [] };
  for (const [name, body] of Object.entries(functions)) {
    if (!NAME.test(name) || name in Object.prototype) throw new TypeError(`mock.custom: no function of a host's is called ${JSON.stringify(name)}: names have letters and digits, begin with a lower-case letter, and are not those that every object has`);
    if (typeof body !== 'function') throw new TypeError(`mock.custom: ${capability}.${name} must be a function of its argument, not ${body === null ? 'null' : `a value of type ${typeof body}`}`);
    mocks.functions.set(name, body);
  }
  mocked.set(capability, mocks);
  return { calls: mocks.calls };
}
