// Expected values that match many: `expect.any(Number)`, `expect.objectContaining({ … })`, and their opposites under `expect.not`.

import { equal, MATCHES } from './equal.ts';
import { brief, SHOWN } from './format.ts';

export interface Asymmetric { readonly [MATCHES]: (received: unknown) => boolean; readonly [SHOWN]: string }

function make(shown: string, matches: (received: unknown) => boolean, isNot: boolean): Asymmetric {
  return { [MATCHES]: (received) => matches(received) !== isNot, [SHOWN]: isNot ? `not ${shown}` : shown };
}

type Class = abstract new (...given: never) => unknown;

function isOf(value: unknown, type: Class): boolean {
  switch (type as unknown) {
    case Number: return typeof value === 'number' || value instanceof Number;
    case String: return typeof value === 'string' || value instanceof String;
    case Boolean: return typeof value === 'boolean' || value instanceof Boolean;
    case BigInt: return typeof value === 'bigint';
    case Symbol: return typeof value === 'symbol';
    case Function: return typeof value === 'function';
    case Object: return typeof value === 'object';
    default: return value instanceof type;
  }
}

export const anything = (): Asymmetric => make('anything', (value) => value !== null && value !== undefined, false);

export function any(type: Class): Asymmetric {
  if (typeof type !== 'function') throw new TypeError('expect.any takes a class, such as String');
  return make(`any ${(type as { name: string }).name}`, (value) => isOf(value, type), false);
}

/** Those that have an opposite. */
export function containing(isNot: boolean): Record<'objectContaining' | 'arrayContaining' | 'stringContaining' | 'stringMatching' | 'closeTo', (...given: never) => Asymmetric> {
  return {
    objectContaining: (members: object) => make(`an object containing ${brief(members)}`,
      (value) => typeof value === 'object' && value !== null && Object.keys(members).every((name) => name in value && equal((value as Record<string, unknown>)[name], (members as Record<string, unknown>)[name])), isNot),
    arrayContaining: (members: readonly unknown[]) => make(`an array containing ${brief(members)}`,
      (value) => Array.isArray(value) && members.every((member) => value.some((one) => equal(one, member))), isNot),
    stringContaining: (part: string) => make(`a string containing ${brief(part)}`, (value) => typeof value === 'string' && value.includes(part), isNot),
    stringMatching: (pattern: string | RegExp) => make(`a string matching ${typeof pattern === 'string' ? brief(pattern) : pattern}`,
      (value) => typeof value === 'string' && matchesText(value, pattern), isNot),
    closeTo: (number: number, digits = 2) => make(`a number close to ${number}`, (value) => typeof value === 'number' && isClose(value, number, digits), isNot),
  };
}

/** A text is looked for as it is; a pattern begins anew each time. */
export function matchesText(text: string, pattern: string | RegExp): boolean {
  if (typeof pattern === 'string') return text.includes(pattern);
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).test(text);
}

export function isClose(received: number, expected: number, digits: number): boolean {
  return received === expected || Math.abs(received - expected) < 10 ** -digits / 2;
}
