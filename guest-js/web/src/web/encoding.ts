// TextEncoder and TextDecoder: UTF-8 by the engine; UTF-16 and windows-1252 here.

import { native } from '../native.ts';
import { bytesSet, bytesSlice, bytesSubarray, charCodeAt, fromCharCode, SavedUint8Array, typedArrayTag, uncurryThis } from '../primordials.ts';
import { bytesOf, dictionary, finishInterface, usvString } from '../webidl.ts';

export class TextEncoder {
  get encoding(): string { return 'utf-8'; }
  encode(input: unknown = ''): Uint8Array { return native.utf8Encode(usvString(input)); }
  encodeInto(source: unknown, destination: unknown): { read: number; written: number } {
    const text = usvString(source);
    if (typedArrayTag(destination) !== 'Uint8Array') throw new TypeError('encodeInto: the destination must be a Uint8Array');
    const into = destination as Uint8Array;
    // A UTF-16 unit takes one to three bytes: no more than `into.length` units can fit.
    let end = text.length < into.length ? text.length : into.length;
    let bytes = native.utf8Encode(text.slice(0, end));
    while (bytes.length > into.length) {
      // Each step back removes whole characters, at least as many as surely do not fit.
      end -= Math.max(1, Math.ceil((bytes.length - into.length) / 3));
      bytes = native.utf8Encode(text.slice(0, splitsPair(text, end) ? --end : end));
    }
    if (splitsPair(text, end)) bytes = native.utf8Encode(text.slice(0, --end));
    // Stepping back may have gone too far by a character or two.
    let written = bytes.length;
    bytesSet(into, bytes);
    while (end < text.length) {
      const point = text.codePointAt(end) as number;
      const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      if (written + size > into.length) break;
      const units = point > 0xffff ? 2 : 1;
      bytesSet(into, native.utf8Encode(text.slice(end, end + units)), written);
      written += size;
      end += units;
    }
    return { read: end, written };
  }
}
finishInterface(TextEncoder, 'TextEncoder');

function splitsPair(text: string, at: number): boolean {
  if (at <= 0 || at >= text.length) return false;
  const before = charCodeAt(text, at - 1);
  const after = charCodeAt(text, at);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}

const LABELS: Record<string, string> = { __proto__: null } as never;
function labels(encoding: string, names: string): void { for (const name of names.split(' ')) LABELS[name] = encoding; }
labels('utf-8', 'unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8');
labels('utf-16le', 'csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le');
labels('utf-16be', 'unicodefffe utf-16be');
labels('windows-1252', 'ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252');

/** What windows-1252 has at 0x80 to 0x9F. */
const WINDOWS_1252 = [
  0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
  0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
];

/** How many bytes at the end begin a UTF-8 character that is not complete yet. */
function incomplete(bytes: Uint8Array): number {
  const { length } = bytes;
  for (let back = 1; back <= 3 && back <= length; back++) {
    const lead = bytes[length - back] as number;
    if (lead >= 0x80 && lead <= 0xbf) continue;
    const size = lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
    if (back >= size) return 0;
    if (back === 1) return 1;
    const second = bytes[length - back + 1] as number;
    // Leads that narrow what may follow: overlong forms, surrogates, beyond U+10FFFF.
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high ? back : 0;
  }
  return 0;
}

export class TextDecoder {
  readonly #encoding: string;
  readonly #fatal: boolean;
  readonly #ignoreBom: boolean;
  #pending: Uint8Array | undefined;
  /** Whether the start of the stream, where a byte order mark may stand, is behind. */
  #started = false;

  constructor(label: unknown = 'utf-8', options?: unknown) {
    const encoding = LABELS[`${label as string}`.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase()];
    if (encoding === undefined) throw new RangeError(`TextDecoder: the encoding "${label as string}" is not supported; there are utf-8, utf-16le, utf-16be and windows-1252`);
    const given = dictionary(options, 'TextDecoder');
    this.#encoding = encoding;
    this.#fatal = !!given['fatal'];
    this.#ignoreBom = !!given['ignoreBOM'];
  }
  get encoding(): string { return this.#encoding; }
  get fatal(): boolean { return this.#fatal; }
  get ignoreBOM(): boolean { return this.#ignoreBom; }

  decode(input?: unknown, options?: unknown): string {
    const stream = !!dictionary(options, 'decode')['stream'];
    let bytes = input === undefined ? new SavedUint8Array(0) : bytesOf(input);
    if (bytes === undefined) throw new TypeError('decode: the input must be an ArrayBuffer or a view of one');
    if (this.#encoding === 'windows-1252') return singleBytes(bytes);
    const pending = this.#pending;
    if (pending !== undefined) {
      const joined = new SavedUint8Array(pending.length + bytes.length);
      bytesSet(joined, pending);
      bytesSet(joined, bytes, pending.length);
      bytes = joined;
      this.#pending = undefined;
    }
    try {
      const text = this.#encoding === 'utf-8' ? this.#utf8(bytes, stream) : this.#utf16(bytes, stream);
      if (!stream) this.#started = false;
      return text;
    } catch (error) {
      this.#pending = undefined;
      this.#started = false;
      throw error;
    }
  }

  #keep(bytes: Uint8Array, count: number): Uint8Array {
    if (count === 0) return bytes;
    this.#pending = bytesSlice(bytes, bytes.length - count);
    return bytesSubarray(bytes, 0, bytes.length - count);
  }

  #utf8(input: Uint8Array, stream: boolean): string {
    const bytes = stream ? this.#keep(input, incomplete(input)) : input;
    if (bytes.length === 0) return '';
    const text = native.utf8Decode(bytes, this.#fatal, this.#ignoreBom || this.#started);
    this.#started = true;
    return text;
  }

  #utf16(input: Uint8Array, stream: boolean): string {
    const high = this.#encoding === 'utf-16be' ? 0 : 1;
    let bytes = input;
    if (stream) {
      let count = bytes.length & 1;
      const last = bytes.length - count - 2;
      // A high surrogate waits for its other half.
      if (last >= 0 && ((bytes[last + high] as number) & 0xfc) === 0xd8) count += 2;
      bytes = this.#keep(bytes, count);
    }
    let text = '';
    let i = 0;
    for (; i + 1 < bytes.length; i += 2) {
      const unit = ((bytes[i + high] as number) << 8) | (bytes[i + 1 - high] as number);
      if (!this.#started) {
        this.#started = true;
        if (unit === 0xfeff && !this.#ignoreBom) continue;
      }
      text += fromCharCode(unit);
    }
    const whole = usvString(text);
    if (this.#fatal && (i < bytes.length || whole !== text)) throw new TypeError(`the bytes are not valid ${this.#encoding}`);
    return i < bytes.length ? `${whole}\ufffd` : whole;
  }
}
finishInterface(TextDecoder, 'TextDecoder');
export const decodeWith = uncurryThis(TextDecoder.prototype.decode) as (self: TextDecoder, input?: unknown, options?: unknown) => string;

function singleBytes(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    text += fromCharCode(byte >= 0x80 && byte <= 0x9f ? (WINDOWS_1252[byte - 0x80] as number) : byte);
  }
  return text;
}
