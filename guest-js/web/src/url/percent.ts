// Percent-encoding (URL standard, 1.3) and the sets of what must be encoded where.

import { native } from '../native.ts';
import { charCodeAt, fromCharCode, matches, slice } from '../primordials.ts';

const HEX = '0123456789ABCDEF';

/** What must be encoded: one flag per ASCII character (all others always are), and a pattern that finds the first. */
export interface EncodeSet { readonly flags: readonly boolean[]; readonly pattern: RegExp }

function set(base: EncodeSet | undefined, characters: string): EncodeSet {
  const flags: boolean[] = [];
  let found = '\\x80-\\uffff';
  for (let i = 0; i < 128; i++) {
    flags[i] = (base === undefined ? i < 0x20 || i > 0x7e : (base.flags[i] as boolean)) || characters.includes(fromCharCode(i));
    if (flags[i] === true) found += `\\x${i.toString(16).padStart(2, '0')}`;
  }
  return { flags, pattern: new RegExp(`[${found}]`) };
}

export const C0_CONTROL = set(undefined, '');
export const FRAGMENT = set(C0_CONTROL, ' "<>`');
export const QUERY = set(C0_CONTROL, ' "#<>');
export const SPECIAL_QUERY = set(QUERY, "'");
export const PATH = set(QUERY, '?^`{}');
export const USERINFO = set(PATH, '/:;=@[\\]|');
const COMPONENT = set(USERINFO, '$%&+,');
export const FORM = set(COMPONENT, "!'()~");

function byte(value: number): string { return `%${HEX[value >> 4] as string}${HEX[value & 15] as string}`; }

/** Encodes text (without lone surrogates) by a set; with `plus` a space becomes `+`. */
export function percentEncode(text: string, encodeSet: EncodeSet, plus = false): string {
  // Most text needs nothing, and one native search is faster than a loop.
  if (!matches(encodeSet.pattern, text)) return text;
  let encoded = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i);
    if (code < 128 && encodeSet.flags[code] === false) continue;
    encoded += slice(text, from, i);
    if (plus && code === 32) encoded += '+';
    else if (code < 128) encoded += byte(code);
    else {
      let end = i + 1;
      while (end < text.length && charCodeAt(text, end) >= 128) end++;
      const bytes = native.utf8Encode(slice(text, i, end));
      for (let b = 0; b < bytes.length; b++) encoded += byte(bytes[b] as number);
      i = end - 1;
    }
    from = i + 1;
  }
  return encoded + slice(text, from);
}

export function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 65 && code <= 70) return code - 55;
  return code >= 97 && code <= 102 ? code - 87 : -1;
}

/** Decodes text; what does not decode to UTF-8 becomes U+FFFD. */
export function percentDecode(text: string): string {
  if (text.indexOf('%') < 0) return text;
  const bytes = native.utf8Encode(text);
  let to = 0;
  for (let i = 0; i < bytes.length; i++) {
    const current = bytes[i] as number;
    if (current === 37 && i + 2 < bytes.length) {
      const high = hexDigit(bytes[i + 1] as number);
      const low = hexDigit(bytes[i + 2] as number);
      if (high >= 0 && low >= 0) {
        bytes[to++] = (high << 4) | low;
        i += 2;
        continue;
      }
    }
    bytes[to++] = current;
  }
  return native.utf8Decode(bytes.subarray(0, to), false, true);
}
