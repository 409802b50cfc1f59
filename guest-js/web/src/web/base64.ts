// atob and btoa, over the engine's codec.

import { native } from '../native.ts';
import { apply, bytesSubarray, charCodeAt, fromCharCode, SavedUint8Array } from '../primordials.ts';
import { DOMException } from './dom-exception.ts';

/** Arguments of one call, far below the engine's limit. */
const CHUNK = 4_096;

/** Characters U+0000 to U+00FF of bytes. */
export function latin1(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return apply(fromCharCode, undefined, bytes as unknown as number[]);
  let text = '';
  for (let i = 0; i < bytes.length; i += CHUNK) text += apply(fromCharCode, undefined, bytesSubarray(bytes, i, i + CHUNK) as unknown as number[]);
  return text;
}

export function atob(data: unknown): string {
  const bytes = native.base64Decode(`${data as string}`);
  if (bytes === undefined) throw new DOMException('atob: the string is not base64', 'InvalidCharacterError');
  return latin1(bytes);
}

export function btoa(data: unknown): string {
  const text = `${data as string}`;
  const bytes = new SavedUint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i);
    if (code > 0xff) throw new DOMException('btoa: the string holds a character beyond U+00FF', 'InvalidCharacterError');
    bytes[i] = code;
  }
  return native.base64Encode(bytes);
}
