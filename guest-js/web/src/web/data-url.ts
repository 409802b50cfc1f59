// data: URLs (Fetch standard, 6): a type and bytes in an address. fetch answers them itself; nothing leaves the sandbox.

import { native } from '../native.ts';
import { indexOf, matches, slice, uncurryThis } from '../primordials.ts';
import { parseMimeType, serializeMimeType } from './mime-type.ts';

const replace = uncurryThis(String.prototype.replace) as unknown as (self: string, pattern: RegExp, by: string) => string;

/** What an address (serialised, of the scheme data) holds; undefined when it is malformed. */
export function parseDataUrl(href: string): { type: string; bytes: Uint8Array } | undefined {
  const hash = indexOf(href, '#');
  const text = slice(href, 5, hash < 0 ? href.length : hash);
  const comma = indexOf(text, ',');
  if (comma < 0) return undefined;
  let type = replace(slice(text, 0, comma), /^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '');
  let bytes: Uint8Array | undefined = native.percentDecode(slice(text, comma + 1));
  if (matches(/; *base64$/i, type)) {
    bytes = native.base64Decode(native.utf8Decode(bytes, false, true));
    if (bytes === undefined) return undefined;
    type = replace(type, /; *base64$/i, '');
  }
  if (type[0] === ';') type = `text/plain${type}`;
  const parsed = parseMimeType(type);
  return { type: parsed === undefined ? 'text/plain;charset=US-ASCII' : serializeMimeType(parsed), bytes };
}
