// sdk.config, context.config and process.env: what the tenant has configured for the applet, parsed at the first use. Knows the text of the
// running call only.

import { freeze, hasOwn, jsonParse, jsonStringify, objectKeys } from '../primordials.ts';
import { text } from './options.ts';

type Config = Readonly<Record<string, unknown>>;

const NONE: Config = freeze({ __proto__: null } as never);

let source = '';
let parsed: Config | undefined;
let env: Record<string, unknown> | undefined;
/** The text that `env` has been filled from. */
let filled = '';

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const names = objectKeys(value);
  for (let i = 0; i < names.length; i++) frozen((value as Record<string, unknown>)[names[i] as string]);
  return freeze(value);
}

/** A call begins. A program that has looked at its environment when it was prepared holds the object, and finds it filled. */
export function beginConfig(json: string): void {
  source = json;
  parsed = undefined;
  if (env !== undefined) fillEnv(env);
}

/** What is configured: a frozen object. */
export function configured(): Config {
  if (source === '') return NONE;
  return (parsed ??= frozen(jsonParse(source) as Config));
}

function fillEnv(into: Record<string, unknown>): void {
  if (filled === source) return;
  filled = source;
  const config = configured();
  const names = objectKeys(config);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const value = config[name];
    if (value !== null) into[name] = typeof value === 'string' ? value : jsonStringify(value);
  }
}

/** The environment of `process`, in which everything is a string. */
export function environment(): Record<string, unknown> {
  // Bundling fills in the same value where a program reads it directly.
  env ??= { NODE_ENV: 'production' };
  fillEnv(env);
  return env;
}

export const config = freeze({
  get: (name: unknown): unknown => {
    const all = configured();
    const key = text(name, 'the name');
    return hasOwn(all, key) ? all[key] : undefined;
  },
});
