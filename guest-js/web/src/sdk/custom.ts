// sdk.NAME.FUNCTION(argument): capabilities of the program that embeds the host. Knows their names and those of their functions, as the call has
// them; what an argument and an answer mean is between the applet and that program.

import type { CustomCapabilities, Outcome } from '../bindings.ts';
import { native } from '../native.ts';
import { type ErrorOutcome, operate, unexpected } from '../operations.ts';
import { arrayJoin, create, defineProperty, freeze, hasOwn, jsonParse, ObjectPrototype, push } from '../primordials.ts';
import { SdkError, stackHere } from '../sdk-error.ts';
import { json } from './options.ts';

type Face = Readonly<Record<string, (...given: unknown[]) => Promise<unknown>>>;

/** What a test has in place of a host's functions. It is asked whenever a name is read, because mocks come while the test runs. */
export interface CustomDouble {
  /** Capabilities that the applet asks for, whether a host offers them or not. */
  readonly asked: readonly string[];
  /** The functions of one that are mocked; undefined when none is. */
  functions(capability: string): readonly string[] | undefined;
  /** A function that is not mocked was read; says so. */
  missing(capability: string, name: string): string;
  /** Answers a call as a host would. */
  answer(capability: string, name: string, argument: string): Promise<Outcome>;
}

const NONE: CustomCapabilities = freeze([]);
const SavedProxy = Proxy;

let granted = NONE;
let faces: Record<string, Face> | undefined;
let double: CustomDouble | undefined;

/** A call begins: these are granted to it. */
export function beginCustom(given: CustomCapabilities | undefined): void {
  granted = given ?? NONE;
  faces = undefined;
}

/**
 * From here on a test answers what it mocks, and what no host offers. Answers what is granted to the test's calls: everything that is asked for; what
 * the host does not offer has no functions.
 */
export function doubleCustom(given: CustomDouble, offered: CustomCapabilities | undefined): CustomCapabilities {
  const all = [...(offered ?? NONE)];
  for (const name of given.asked) if (!all.includes(name)) all.push(name, []);
  double = given;
  beginCustom(all);
  return all;
}

/** Looks like an object without members to whoever only asks; a name that is read and is not there is a mistake, and `missing` says which. */
function strict(find: (name: string) => unknown, missing: (name: string) => string): object {
  // What every object has, and what promises and JSON ask each for.
  const isPlain = (name: PropertyKey): boolean => typeof name !== 'string' || name === 'then' || name === 'toJSON' || hasOwn(ObjectPrototype, name);
  return new SavedProxy(freeze({}), {
    __proto__: null,
    has: (_: object, name: PropertyKey) => (isPlain(name) ? name in ObjectPrototype : find(name as string) !== undefined),
    get: (_: object, name: PropertyKey) => {
      if (isPlain(name)) return (ObjectPrototype as Record<PropertyKey, unknown>)[name];
      const found = find(name as string);
      if (found === undefined) throw new TypeError(missing(name as string));
      return found;
    },
  } as ProxyHandler<object>);
}

function toValue(outcome: Outcome): unknown { return outcome.kind === 'text' && outcome.text !== undefined ? jsonParse(outcome.text) : unexpected(outcome); }

function fail(capability: string, outcome: ErrorOutcome, stack: string): SdkError { return new SdkError({ ...outcome, capability }, stack); }

/** The one argument, as JSON. */
function argumentOf(capability: string, name: string, given: readonly unknown[]): string {
  if (given.length > 1) throw new TypeError(`sdk.${capability}.${name} takes one argument, not ${given.length}: give it an object`);
  return json(given[0] === undefined ? null : given[0], 'the argument');
}

function face(functions: readonly string[], missing: (name: string) => string, call: (name: string, given: readonly unknown[]) => Promise<unknown>): Face {
  const made = create(strict(() => undefined, missing)) as Record<string, Face[string]>;
  for (let i = 0; i < functions.length; i++) {
    const name = functions[i] as string;
    const value = (...given: unknown[]): Promise<unknown> => call(name, given);
    defineProperty(made, name, { __proto__: null, value, enumerable: true } as PropertyDescriptor);
  }
  return freeze(made);
}

/** Functions of the host's. */
function hostFace(capability: string, functions: readonly string[]): Face {
  const failed = (outcome: ErrorOutcome, stack: string): SdkError => fail(capability, outcome, stack);
  return face(
    functions,
    (name) => `sdk.${capability} has no function "${name}"; it has: ${arrayJoin(functions, ', ')}`,
    (name, given) => operate(() => native.customCall(capability, name, argumentOf(capability, name, given)), toValue, failed),
  );
}

/** Functions of a test's, up to JSON and errors as those of a host's. */
function doubleFace(capability: string, functions: readonly string[], by: CustomDouble): Face {
  const call = async (name: string, given: readonly unknown[]): Promise<unknown> => {
    const stack = stackHere();
    const outcome = await by.answer(capability, name, argumentOf(capability, name, given));
    if (outcome.kind === 'error') throw fail(capability, outcome, stack);
    return toValue(outcome);
  };
  return face(functions, (name) => by.missing(capability, name), call);
}

function find(name: string): Face | undefined {
  if (faces !== undefined && hasOwn(faces, name)) return faces[name];
  for (let i = 0; i < granted.length; i += 2) {
    if (granted[i] !== name) continue;
    const functions = granted[i + 1] as readonly string[];
    if (double !== undefined) {
      const mocked = double.functions(name);
      if (mocked !== undefined || functions.length === 0) return doubleFace(name, mocked ?? [], double);
    }
    faces ??= create(null) as Record<string, Face>;
    return (faces[name] = hostFace(name, functions));
  }
  return undefined;
}

function missing(name: string): string {
  const names: string[] = [];
  for (let i = 0; i < granted.length; i += 2) push(names, granted[i] as string);
  const has = names.length === 0 ? 'nothing of it is granted here' : `granted are: ${arrayJoin(names, ', ')}`;
  return `sdk has no capability "${name}". What the host has of its own is asked for by permissions.custom of the manifest; ${has}`;
}

/** The prototype of `sdk`. */
export const customCapabilities = strict(find, missing);
