// sdk.crypto: what webhook handlers need at hand without WebCrypto's ceremony. Text means its UTF-8 bytes.

import { native } from '../native.ts';
import { freeze } from '../primordials.ts';
import { bytesOf } from '../webidl.ts';

const DIGITS = '0123456789abcdef';

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    text += (DIGITS[byte >> 4] as string) + (DIGITS[byte & 15] as string);
  }
  return text;
}

function bytes(value: unknown, what: string): Uint8Array {
  if (typeof value === 'string') return native.utf8Encode(value);
  const found = bytesOf(value);
  if (found === undefined) throw new TypeError(`${what} must be a string, an ArrayBuffer or a view of one`);
  return found;
}

function hmac(key: Uint8Array, data: Uint8Array): string { return hex(native.hash('sha256', data, key) as Uint8Array); }

export const crypto = freeze({
  sha256Hex: (data: unknown): string => hex(native.hash('sha256', bytes(data, 'data'), undefined) as Uint8Array),
  hmacSha256Hex: (key: unknown, data: unknown): string => hmac(bytes(key, 'key'), bytes(data, 'data')),
  /** Compares in time that depends on the lengths only. */
  timingSafeEqual: (a: unknown, b: unknown): boolean => native.timingSafeEqual(bytes(a, 'a'), bytes(b, 'b')),
});
