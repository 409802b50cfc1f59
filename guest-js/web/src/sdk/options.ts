// Options and arguments of the sdk's functions, checked where the author can see it.

import { jsonStringify } from '../primordials.ts';
import { dictionary } from '../webidl.ts';

/** Longest time that is meant as one, milliseconds: what a Date can hold. */
const MS_MAX = 8_640_000_000_000_000;

export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
  return value;
}

export function optionalText(value: unknown, what: string): string | undefined { return value === undefined || value === null ? undefined : text(value, what); }

/** Whole milliseconds, rounded up. */
export function milliseconds(value: unknown, what: string, least: number): number {
  if (typeof value !== 'number' || !(value >= least) || value > MS_MAX) throw new RangeError(`${what} must be a number of milliseconds, at least ${least}`);
  return value % 1 === 0 ? value : value - (value % 1) + 1;
}

/** A value as JSON text. */
export function json(value: unknown, what: string): string {
  const written = jsonStringify(value) as string | undefined;
  if (written === undefined) throw new TypeError(`${what} is ${value === undefined ? 'undefined' : `a ${typeof value}`}, which JSON cannot hold`);
  return written;
}

/** The members of an options object; one that is not known is a mistake. */
export function options(value: unknown, what: string, known: readonly string[]): Record<string, unknown> {
  const given = dictionary(value, what);
  for (const name in given) {
    let isKnown = false;
    for (let i = 0; i < known.length; i++) if (known[i] === name) isKnown = true;
    if (!isKnown) throw new TypeError(`${what} has no option "${name}"`);
  }
  return given;
}
