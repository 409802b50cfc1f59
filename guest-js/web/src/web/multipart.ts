// multipart/form-data (HTML standard, 4.10.21.8; RFC 7578): forms as bytes, and bytes as forms.

import { native } from '../native.ts';
import { bytesSubarray, charCodeAt, indexOf, matches, padStart, push, slice, toLowerCase, uncurryThis } from '../primordials.ts';
import { blobs, joinBytes } from './blob.ts';
import type { FormEntry } from './form-data.ts';

const find = uncurryThis(Uint8Array.prototype.indexOf) as (self: Uint8Array, value: number, from: number) => number;
const replace = uncurryThis(String.prototype.replace) as unknown as (self: string, pattern: RegExp, by: string) => string;
const CR = 13;
const LF = 10;

function escape(name: string): string { return replace(replace(replace(name, /\n/g, '%0A'), /\r/g, '%0D'), /"/g, '%22'); }
function lines(text: string): string { return replace(text, /\r\n?|\n/g, '\r\n'); }

/** A form as a body, and the boundary in it. */
export function serializeForm(entries: readonly FormEntry[]): { bytes: Uint8Array; boundary: string } {
  let boundary = '----belljar';
  const random = native.randomBytes(16);
  for (let i = 0; i < random.length; i++) boundary += padStart((random[i] as number).toString(16), 2, '0');
  const chunks: Uint8Array[] = [];
  const text = (part: string): void => push(chunks, native.utf8Encode(part));
  const { stateOf } = blobs();
  for (let i = 0; i < entries.length; i++) {
    const [name, value] = entries[i] as FormEntry;
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escape(lines(name))}"`;
    if (typeof value === 'string') {
      text(`${head}\r\n\r\n${lines(value)}\r\n`);
      continue;
    }
    text(`${head}; filename="${escape(value.name)}"\r\nContent-Type: ${value.type === '' ? 'application/octet-stream' : value.type}\r\n\r\n`);
    push(chunks, stateOf(value).bytes);
    text('\r\n');
  }
  text(`--${boundary}--\r\n`);
  return { bytes: joinBytes(chunks), boundary };
}

function malformed(what: string): never { throw new TypeError(`the body is not valid multipart/form-data: ${what}`); }

/** Where `needle` begins at or after `from`; -1 when nowhere. */
function search(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  for (let at = from; ; at++) {
    at = find(bytes, needle[0] as number, at);
    if (at < 0 || at + needle.length > bytes.length) return -1;
    let i = 1;
    while (i < needle.length && bytes[at + i] === needle[i]) i++;
    if (i === needle.length) return at;
  }
}

function unescape(text: string): string {
  return replace(replace(replace(text, /%0A/gi, '\n'), /%0D/gi, '\r'), /%22/g, '"');
}

/** A quoted parameter of content-disposition. */
function quoted(header: string, name: string): string | undefined {
  const lower = toLowerCase(header);
  const start = `${name}="`;
  for (let at = indexOf(lower, start); at >= 0; at = indexOf(lower, start, at + 1)) {
    const before = charCodeAt(header, at - 1);
    if (before !== 32 && before !== 9 && before !== 59) continue;
    const end = indexOf(header, '"', at + start.length);
    return end < 0 ? undefined : unescape(slice(header, at + start.length, end));
  }
  return undefined;
}

/** The entries of a body. */
export function parseForm(bytes: Uint8Array, boundary: string): FormEntry[] {
  const delimiter = native.utf8Encode(`--${boundary}`);
  const inner = native.utf8Encode(`\r\n--${boundary}`);
  const entries: FormEntry[] = [];
  // A preamble is skipped, as RFC 2046 has it.
  let at = search(bytes, delimiter, 0);
  if (at < 0) malformed('its boundary is not in it');
  at += delimiter.length;
  for (;;) {
    if (bytes[at] === 45 && bytes[at + 1] === 45) return entries;
    while (bytes[at] === 32 || bytes[at] === 9) at++;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) malformed('a boundary is not at the end of its line');
    at += 2;
    let disposition = '';
    let type: string | undefined;
    for (;;) {
      const end = find(bytes, LF, at);
      if (end < 0 || bytes[end - 1] !== CR) malformed('a header has no end');
      const line = native.utf8Decode(bytesSubarray(bytes, at, end - 1), false, true);
      at = end + 1;
      if (line === '') break;
      const colon = indexOf(line, ':');
      if (colon < 0) malformed('a header has no colon');
      const name = toLowerCase(slice(line, 0, colon));
      const value = replace(slice(line, colon + 1), /^[\t ]+|[\t ]+$/g, '');
      if (name === 'content-disposition') disposition = value;
      else if (name === 'content-type') type = value;
    }
    const name = quoted(disposition, 'name');
    if (!matches(/^form-data *;/i, disposition) || name === undefined) malformed('a part has no name');
    const end = search(bytes, inner, at);
    if (end < 0) malformed('a part has no end');
    const content = bytesSubarray(bytes, at, end);
    const filename = quoted(disposition, 'filename');
    push(entries, [name, filename === undefined ? native.utf8Decode(content, false, true) : blobs().newFile(content, filename, type ?? 'text/plain')] as FormEntry);
    at = end + inner.length;
  }
}
