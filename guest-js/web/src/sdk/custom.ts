// sdk.NAME.FUNCTION(argument): capabilities of the program that embeds the host. Knows their names and those of their functions, as the call has
// them; what an argument and an answer mean is between the applet and that program.

import type { CustomCapabilities, Outcome } from '../bindings.ts';
import { native } from '../native.ts';
import { type ErrorOutcome, operate, unexpected } from '../operations.ts';
import { arrayJoin, create, defineProperty, freeze, hasOwn, jsonParse, ObjectPrototype, push } from '../primordials.ts';
import { SdkError } from '../sdk-error.ts';
import { json } from './options.ts';

type Face = Readonly<Record<string, (...given: unknown[]) => Promise<unknown>>>;

const NONE: CustomCapabilities = freeze([]);
const SavedProxy = Proxy;

let granted = NONE;
let faces: Record<string, Face> | undefined;

/** A call begins: these are granted to it. */
export function beginCustom(given: CustomCapabilities | undefined): void {
  granted = given ?? NONE;
  faces = undefined;
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

function face(capability: string, functions: readonly string[]): Face {
  const missing = (name: string): string => `sdk.${capability} has no function "${name}"; it has: ${arrayJoin(functions, ', ')}`;
  const made = create(strict(() => undefined, missing)) as Record<string, Face[string]>;
  const fail = (outcome: ErrorOutcome, stack: string): SdkError => new SdkError({ ...outcome, capability }, stack);
  for (let i = 0; i < functions.length; i++) {
    const name = functions[i] as string;
    const value = (...given: unknown[]): Promise<unknown> =>
      operate(() => {
        if (given.length > 1) throw new TypeError(`sdk.${capability}.${name} takes one argument, not ${given.length}: give it an object`);
        return native.customCall(capability, name, json(given[0] === undefined ? null : given[0], 'the argument'));
      }, toValue, fail);
    defineProperty(made, name, { __proto__: null, value, enumerable: true } as PropertyDescriptor);
  }
  return freeze(made);
}

function find(name: string): Face | undefined {
  if (faces !== undefined && hasOwn(faces, name)) return faces[name];
  for (let i = 0; i < granted.length; i += 2) {
    if (granted[i] !== name) continue;
    faces ??= create(null) as Record<string, Face>;
    return (faces[name] = face(name, granted[i + 1] as readonly string[]));
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
