// The format strings of console: %s %d %i %f %j %o %O %c %%, and what follows them.

import { bigintToString, jsonStringify, slice, symbolToString } from '../primordials.ts';
import { inspect } from './inspect.ts';

function asString(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return `${bigintToString(value)}n`;
  if (typeof value === 'symbol') return symbolToString(value);
  if (typeof value === 'object' && value !== null) return inspect(value, 0);
  return typeof value === 'function' ? inspect(value, 0) : inspect(value);
}

function asNumber(value: unknown, convert: (value: unknown) => number): string {
  if (typeof value === 'bigint') return `${bigintToString(value)}n`;
  if (typeof value === 'symbol' || (typeof value === 'object' && value !== null)) return 'NaN';
  const number = convert(value);
  return number === 0 && 1 / number < 0 ? '-0' : `${number}`;
}

const { parseInt: toInteger, parseFloat: toFloat } = Number;

function directive(letter: string, value: unknown): string | undefined {
  switch (letter) {
    case 's': return asString(value);
    case 'd': return asNumber(value, Number);
    case 'i': return asNumber(value, toInteger as (value: unknown) => number);
    case 'f': return asNumber(value, toFloat as (value: unknown) => number);
    case 'j':
      try {
        return jsonStringify(value) ?? 'undefined';
      } catch {
        return '[Circular]';
      }
    case 'o': return inspect(value, 4);
    case 'O': return inspect(value);
    case 'c': return '';
    default: return undefined;
  }
}

/** The text of a console call. */
export function formatArguments(args: readonly unknown[]): string {
  let text = '';
  let used = 0;
  const first = args[0];
  if (typeof first === 'string') {
    used = 1;
    if (args.length === 1) return first;
    let from = 0;
    for (let i = 0; i + 1 < first.length; i++) {
      if (first[i] !== '%') continue;
      const letter = first[i + 1] as string;
      let put: string | undefined;
      if (letter === '%') put = '%';
      else if (used < args.length) {
        put = directive(letter, args[used]);
        if (put !== undefined) used++;
      }
      if (put === undefined) continue;
      text += slice(first, from, i) + put;
      i++;
      from = i + 1;
    }
    text += slice(first, from);
  }
  for (let i = used; i < args.length; i++) {
    const value = args[i];
    if (i > 0) text += ' ';
    text += typeof value === 'string' ? value : inspect(value);
  }
  return text;
}
