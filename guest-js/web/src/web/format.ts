// The format strings of console: %s %d %i %f %j %o %O %c %%, and what follows them.

import { bigintToString, jsonStringify, slice, symbolToString, uncurryThis } from '../primordials.ts';
import { inspect, type InspectOptions } from './inspect.ts';

const functionText = uncurryThis(Function.prototype.toString);

function asString(value: unknown, options: InspectOptions): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return `${bigintToString(value)}n`;
  if (typeof value === 'symbol') return symbolToString(value);
  if (typeof value === 'object' && value !== null) return inspect(value, { ...options, depth: 0, colors: false, compact: 3 });
  return typeof value === 'function' ? functionText(value as () => void) : inspect(value);
}

function asNumber(value: unknown, convert: (value: unknown) => number): string {
  if (typeof value === 'bigint') return `${bigintToString(value)}n`;
  if (typeof value === 'symbol' || (typeof value === 'object' && value !== null)) return 'NaN';
  const number = convert(value);
  return number === 0 && 1 / number < 0 ? '-0' : `${number}`;
}

const { parseInt: toInteger, parseFloat: toFloat } = Number;

function directive(letter: string, value: unknown, options: InspectOptions): string | undefined {
  switch (letter) {
    case 's': return asString(value, options);
    case 'd': return asNumber(value, Number);
    case 'i': return asNumber(value, toInteger as (value: unknown) => number);
    case 'f': return asNumber(value, toFloat as (value: unknown) => number);
    case 'j':
      try {
        return jsonStringify(value) ?? 'undefined';
      } catch {
        return '[Circular]';
      }
    case 'o': return inspect(value, { ...options, showHidden: true, depth: 4 });
    case 'O': return inspect(value, options);
    case 'c': return '';
    default: return undefined;
  }
}

/** The text of a console call. */
export function formatArguments(args: readonly unknown[], options: InspectOptions = {}): string {
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
        put = directive(letter, args[used], options);
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
    text += typeof value === 'string' ? value : inspect(value, options);
  }
  return text;
}
