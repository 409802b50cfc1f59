// MIME types (MIME Sniffing standard, 4.4 and 4.5): read and written.

import { charCodeAt, indexOf, matches, objectKeys, push, slice, toLowerCase, uncurryThis } from '../primordials.ts';

export interface MimeType { readonly essence: string; readonly parameters: Readonly<Record<string, string>> }

const replace = uncurryThis(String.prototype.replace) as unknown as (self: string, pattern: RegExp, by: string) => string;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What may be in a quoted value. */
const QUOTABLE = /^[\t\x20-\x7e\x80-\xff]*$/;

function isSpace(code: number): boolean { return code === 32 || code === 9 || code === 10 || code === 13; }

/** The essence of a content type and its parameters, names in lower case; undefined when it is none. */
export function parseMimeType(text: string): MimeType | undefined {
  let at = indexOf(text, ';');
  const essence = toLowerCase(replace(at < 0 ? text : slice(text, 0, at), /^[\t\n\r ]+|[\t\n\r ]+$/g, ''));
  const cut = indexOf(essence, '/');
  if (cut < 0 || !matches(TOKEN, slice(essence, 0, cut)) || !matches(TOKEN, slice(essence, cut + 1))) return undefined;
  const parameters: Record<string, string> = { __proto__: null } as never;
  while (at >= 0 && at < text.length) {
    let from = at + 1;
    while (from < text.length && isSpace(charCodeAt(text, from))) from++;
    let end = from;
    while (end < text.length && text[end] !== '=' && text[end] !== ';') end++;
    const name = toLowerCase(slice(text, from, end));
    at = end;
    if (text[end] !== '=') continue;
    let value = '';
    if (text[++at] === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === '\\' && at + 1 < text.length) at++;
        value += text[at] as string;
      }
      at = indexOf(text, ';', at);
    } else {
      end = indexOf(text, ';', at);
      value = replace(slice(text, at, end < 0 ? text.length : end), /[\t\n\r ]+$/, '');
      at = end;
      if (value === '') continue;
    }
    if (matches(TOKEN, name) && matches(QUOTABLE, value) && !(name in parameters)) parameters[name] = value;
  }
  return { essence, parameters };
}

/** Cuts the value of a header at its commas, but for those in quotes (Fetch standard, "get, decode, and split"). */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (isQuoted && c === '\\') i++;
    else if (c === '"') isQuoted = !isQuoted;
    else if (c === ',' && !isQuoted) {
      push(parts, slice(text, from, i));
      from = i + 1;
    }
  }
  push(parts, slice(text, from));
  return parts;
}

/** The MIME type that content-type headers tell, joined by commas (Fetch standard, "extract a MIME type"): the last that is valid. */
export function extractMimeType(values: string): MimeType | undefined {
  if (indexOf(values, ',') < 0) return parseMimeType(values);
  const parts = splitList(values);
  let found: MimeType | undefined;
  let charset: string | undefined;
  for (let i = 0; i < parts.length; i++) {
    const type = parseMimeType(parts[i] as string);
    if (type === undefined || type.essence === '*/*') continue;
    const own = type.parameters['charset'];
    // A charset holds for what follows, as long as the essence is the same.
    charset = own ?? (found?.essence === type.essence ? charset : undefined);
    found = own === undefined && charset !== undefined ? { essence: type.essence, parameters: { __proto__: null, ...type.parameters, charset } as never } : type;
  }
  return found;
}

export function serializeMimeType(type: MimeType): string {
  let text = type.essence;
  const names = objectKeys(type.parameters);
  for (let i = 0; i < names.length; i++) {
    const value = type.parameters[names[i] as string] as string;
    text += `;${names[i] as string}=${matches(TOKEN, value) ? value : `"${replace(value, /["\\]/g, '\\$&')}"`}`;
  }
  return text;
}
