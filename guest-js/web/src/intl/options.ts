// Reading options (ECMA-402, 9.2.10 to 9.2.15): what a caller gives is checked in the standard's order, with its errors.

import { arrayIndexOf, arrayJoin, floor, matches, slice } from '../primordials.ts';
import { domString, isObject } from '../webidl.ts';

export type Options = Record<string, unknown>;

/** 9.2.10 GetOptionsObject: anything but undefined and objects is a TypeError. */
export function optionsObject(options: unknown): Options {
  if (options === undefined) return { __proto__: null } as never;
  if (!isObject(options)) throw new TypeError('options must be an object');
  return options as Options;
}

/** 9.2.11 CoerceOptionsToObject. */
export function coerceOptions(options: unknown): Options {
  if (options === undefined) return { __proto__: null } as never;
  if (options === null) throw new TypeError('options must be an object, not null');
  return Object(options) as Options;
}

/** 9.2.12 GetOption, of type string. */
export function stringOption(options: Options, name: string, values: readonly string[] | undefined): string | undefined;
export function stringOption(options: Options, name: string, values: readonly string[] | undefined, fallback: string): string;
export function stringOption(options: Options, name: string, values: readonly string[] | undefined, fallback?: string): string | undefined {
  const value = options[name];
  if (value === undefined) return fallback;
  const text = domString(value);
  if (values !== undefined && arrayIndexOf(values, text) < 0) {
    const shown = text.length > 50 ? `${slice(text, 0, 50)}…` : text;
    throw new RangeError(`Value ${shown} out of range for options property ${name}: use ${arrayJoin(values, ', ')}`);
  }
  return text;
}

/** 9.2.12 GetOption, of type boolean. */
export function booleanOption(options: Options, name: string): boolean | undefined {
  const value = options[name];
  return value === undefined ? undefined : Boolean(value);
}

/** 9.2.14 DefaultNumberOption. */
export function checkedNumber(value: unknown, name: string, low: number, high: number): number {
  const number = Number(value);
  if (!(number >= low && number <= high)) throw new RangeError(`${name} value is out of range: use ${low} to ${high}`);
  return floor(number);
}

/** 9.2.15 GetNumberOption. */
export function numberOption(options: Options, name: string, low: number, high: number): number | undefined {
  const value = options[name];
  return value === undefined ? undefined : checkedNumber(value, name, low, high);
}

const TYPE = /^[0-9a-z]{3,8}(?:-[0-9a-z]{3,8})*$/i;

/** An option whose value is a Unicode locale identifier's `type` (UTS 35): numberingSystem, calendar, collation. */
export function typeOption(options: Options, name: string): string | undefined {
  const value = stringOption(options, name, undefined);
  if (value !== undefined && !matches(TYPE, value)) throw new RangeError(`Invalid ${name} : ${value}`);
  return value;
}

/** Reads and drops `localeMatcher`: there is one way of matching. */
export function readMatcher(options: Options): void { stringOption(options, 'localeMatcher', ['lookup', 'best fit'], 'best fit'); }
