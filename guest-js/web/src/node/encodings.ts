// The encodings of Node's Buffer: text to bytes and back. Lenient where Node is: what is not of the encoding ends the text or is left out.

import { native } from '../native.ts';
import { apply, bytesSubarray, charCodeAt, fromCharCode, indexOf, matches, SavedUint8Array, slice, toLowerCase, toWellFormed } from '../primordials.ts';

export type Encoding = 'utf8' | 'utf16le' | 'latin1' | 'ascii' | 'hex' | 'base64' | 'base64url';

const NAMES: Record<string, Encoding> = {
  __proto__: null, utf8: 'utf8', 'utf-8': 'utf8', ucs2: 'utf16le', 'ucs-2': 'utf16le', utf16le: 'utf16le', 'utf-16le': 'utf16le', latin1: 'latin1', binary: 'latin1',
  ascii: 'ascii', hex: 'hex', base64: 'base64', base64url: 'base64url',
} as never;

/** The encoding of a name in any case; undefined when there is none. An absent name is UTF-8. */
export function encodingOf(name: unknown): Encoding | undefined {
  if (name === undefined || name === null || name === '') return 'utf8';
  return NAMES[name as string] ?? (typeof name === 'string' ? NAMES[toLowerCase(name)] : undefined);
}

const BEYOND_BASE64 = /[^A-Za-z0-9+/]/;

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 0x20;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

function fromHex(text: string): Uint8Array {
  const bytes = new SavedUint8Array(text.length >> 1);
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(charCodeAt(text, 2 * i));
    const low = hexDigit(charCodeAt(text, 2 * i + 1));
    if (high < 0 || low < 0) return bytesSubarray(bytes, 0, i);
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

function fromBase64(text: string): Uint8Array {
  const end = indexOf(text, '=');
  let clean = end < 0 ? text : slice(text, 0, end);
  if (matches(BEYOND_BASE64, clean)) clean = clean.replace(/-/g, '+').replace(/_/g, '/').replace(/[^A-Za-z0-9+/]/g, '');
  // One character alone is less than a byte.
  if (clean.length % 4 === 1) clean = slice(clean, 0, -1);
  return native.base64Decode(clean) ?? new SavedUint8Array(0);
}

/** The bytes of a text. */
export function encode(text: string, encoding: Encoding): Uint8Array {
  switch (encoding) {
    case 'utf8': return native.utf8Encode(toWellFormed(text));
    case 'hex': return fromHex(text);
    case 'base64':
    case 'base64url': return fromBase64(text);
    case 'utf16le': {
      const bytes = new SavedUint8Array(text.length * 2);
      for (let i = 0; i < text.length; i++) {
        const unit = charCodeAt(text, i);
        bytes[2 * i] = unit;
        bytes[2 * i + 1] = unit >> 8;
      }
      return bytes;
    }
    default: {
      const bytes = new SavedUint8Array(text.length);
      for (let i = 0; i < text.length; i++) bytes[i] = charCodeAt(text, i);
      return bytes;
    }
  }
}

const HEX = '0123456789abcdef';
/** Arguments of one call, far below the engine's limit. */
const CHUNK = 4_096;

/** Characters U+0000 to U+00FF of bytes. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += CHUNK) text += apply(fromCharCode, undefined, bytesSubarray(bytes, i, i + CHUNK) as unknown as number[]);
  return text;
}

/** The text of bytes. */
export function decode(bytes: Uint8Array, encoding: Encoding): string {
  switch (encoding) {
    case 'utf8': return bytes.length === 0 ? '' : native.utf8Decode(bytes, false, true);
    case 'latin1': return latin1(bytes);
    case 'ascii': {
      const low = new SavedUint8Array(bytes.length);
      for (let i = 0; i < bytes.length; i++) low[i] = (bytes[i] as number) & 0x7f;
      return latin1(low);
    }
    case 'hex': {
      let text = '';
      for (let i = 0; i < bytes.length; i++) text += (HEX[(bytes[i] as number) >> 4] as string) + (HEX[(bytes[i] as number) & 15] as string);
      return text;
    }
    case 'base64': return native.base64Encode(bytes);
    case 'base64url': return native.base64Encode(bytes).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
    case 'utf16le': {
      let text = '';
      const end = bytes.length & ~1;
      for (let from = 0; from < end; from += 2 * CHUNK) {
        const units: number[] = [];
        for (let i = from; i < end && i < from + 2 * CHUNK; i += 2) units[units.length] = (bytes[i] as number) | ((bytes[i + 1] as number) << 8);
        text += apply(fromCharCode, undefined, units);
      }
      return text;
    }
  }
}

/** How many bytes a text takes. */
export function encodedLength(text: string, encoding: Encoding): number {
  switch (encoding) {
    case 'utf8': {
      let length = text.length;
      for (let i = 0; i < text.length; i++) {
        const unit = charCodeAt(text, i);
        if (unit < 0x80) continue;
        length += unit < 0x800 ? 1 : 2;
        // The two halves of a pair take four bytes together.
        if (unit >= 0xd800 && unit <= 0xdbff && i + 1 < text.length && (charCodeAt(text, i + 1) & 0xfc00) === 0xdc00) i++;
      }
      return length;
    }
    case 'utf16le': return text.length * 2;
    case 'hex': return text.length >>> 1;
    case 'base64':
    case 'base64url': {
      let { length } = text;
      if (length > 0 && text[length - 1] === '=') length--;
      if (length > 1 && text[length - 1] === '=') length--;
      return Math.floor((length * 3) / 4);
    }
    default: return text.length;
  }
}
