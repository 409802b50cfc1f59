// node:punycode: RFC 3492, and its use in domain names (RFC 3490).

import { once } from '../lazy.ts';

const BASE = 36;
const T_MIN = 1;
const T_MAX = 26;
const SKEW = 38;
const DAMP = 700;
const INITIAL_BIAS = 72;
const INITIAL_N = 128;
const MOST = 0x7fffffff;

/** RFC 3492, 6.1. */
function adapt(given: number, count: number, first: boolean): number {
  let delta = first ? Math.floor(given / DAMP) : given >> 1;
  delta += Math.floor(delta / count);
  let k = 0;
  for (; delta > ((BASE - T_MIN) * T_MAX) >> 1; k += BASE) delta = Math.floor(delta / (BASE - T_MIN));
  return Math.floor(k + ((BASE - T_MIN + 1) * delta) / (delta + SKEW));
}

function threshold(k: number, bias: number): number { return k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias; }

function digitOf(code: number): number {
  if (code >= 48 && code < 58) return 26 + code - 48;
  if (code >= 65 && code < 91) return code - 65;
  return code >= 97 && code < 123 ? code - 97 : BASE;
}

function characterOf(digit: number): string { return String.fromCharCode(digit < 26 ? digit + 97 : digit + 22); }

function codePoints(text: string): number[] { return [...text].map((character) => character.codePointAt(0) as number); }

export const punycode = once(() => {
  /** RFC 3492, 6.2. */
  function decode(input: string): string {
    const output: number[] = [];
    const delimiter = input.lastIndexOf('-');
    for (let i = 0; i < delimiter; i++) {
      if (input.charCodeAt(i) >= 0x80) throw new RangeError('Illegal input >= 0x80 (not a basic code point)');
      output.push(input.charCodeAt(i));
    }
    let [n, bias, i] = [INITIAL_N, INITIAL_BIAS, 0];
    for (let at = delimiter > 0 ? delimiter + 1 : 0; at < input.length;) {
      const before = i;
      for (let weight = 1, k = BASE; ; k += BASE) {
        if (at >= input.length) throw new RangeError('Invalid input');
        const digit = digitOf(input.charCodeAt(at++));
        if (digit >= BASE) throw new RangeError('Invalid input');
        if (digit > Math.floor((MOST - i) / weight)) throw new RangeError('Overflow: input needs wider integers to process');
        i += digit * weight;
        const t = threshold(k, bias);
        if (digit < t) break;
        if (weight > Math.floor(MOST / (BASE - t))) throw new RangeError('Overflow: input needs wider integers to process');
        weight *= BASE - t;
      }
      const count = output.length + 1;
      bias = adapt(i - before, count, before === 0);
      if (Math.floor(i / count) > MOST - n) throw new RangeError('Overflow: input needs wider integers to process');
      n += Math.floor(i / count);
      i %= count;
      output.splice(i++, 0, n);
    }
    return String.fromCodePoint(...output);
  }

  /** RFC 3492, 6.3. */
  function encode(input: string): string {
    const points = codePoints(input);
    let output = points.filter((point) => point < 0x80).map((point) => String.fromCharCode(point)).join('');
    const basic = output.length;
    let handled = basic;
    if (basic > 0) output += '-';
    for (let [n, bias, delta] = [INITIAL_N, INITIAL_BIAS, 0]; handled < points.length; delta++, n++) {
      const next = Math.min(...points.filter((point) => point >= n));
      if (next - n > Math.floor((MOST - delta) / (handled + 1))) throw new RangeError('Overflow: input needs wider integers to process');
      delta += (next - n) * (handled + 1);
      n = next;
      for (const point of points) {
        if (point < n && ++delta > MOST) throw new RangeError('Overflow: input needs wider integers to process');
        if (point !== n) continue;
        let q = delta;
        for (let k = BASE; ; k += BASE) {
          const t = threshold(k, bias);
          if (q < t) break;
          output += characterOf(t + ((q - t) % (BASE - t)));
          q = Math.floor((q - t) / (BASE - t));
        }
        output += characterOf(q);
        bias = adapt(delta, handled + 1, handled === basic);
        delta = 0;
        handled++;
      }
    }
    return output;
  }

  /** By label; of an address only the domain. */
  function mapDomain(domain: string, map: (label: string) => string): string {
    const at = domain.indexOf('@');
    const [local, host] = at < 0 ? ['', domain] : [domain.slice(0, at + 1), domain.slice(at + 1)];
    return local + host.replace(/[\u3002\uFF0E\uFF61]/g, '.').split('.').map(map).join('.');
  }

  return {
    version: '2.1.0',
    ucs2: { decode: codePoints, encode: (points: number[]): string => String.fromCodePoint(...points) },
    decode, encode,
    toASCII: (domain: string): string => mapDomain(domain, (label) => (/[^\0-\x7F]/.test(label) ? `xn--${encode(label)}` : label)),
    toUnicode: (domain: string): string => mapDomain(domain, (label) => (label.startsWith('xn--') ? decode(label.slice(4).toLowerCase()) : label)),
  };
});
