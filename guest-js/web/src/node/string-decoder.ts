// node:string_decoder: text of bytes that come in pieces, where a character may be split between two.

import { once } from '../lazy.ts';
import { decode, type Encoding, encodingOf } from './encodings.ts';
import { codedError, invalidType } from './errors.ts';
import { bytesOf } from '../webidl.ts';

/** How many bytes at the end begin something that is not complete. */
function incompleteBytes(bytes: Uint8Array, encoding: Encoding): number {
  const { length } = bytes;
  if (encoding === 'utf16le') {
    const odd = length % 2;
    const high = length - odd - 1;
    // A high surrogate waits for the other half.
    return high > 0 && ((bytes[high] as number) & 0xfc) === 0xd8 ? odd + 2 : odd;
  }
  if (encoding === 'base64' || encoding === 'base64url') return length % 3;
  if (encoding !== 'utf8') return 0;
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const size = byte >= 0xf0 && byte < 0xf5 ? 4 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xc2 && byte < 0xe0 ? 2 : 1;
    if (size <= back) return 0;
    if (back === 1) return 1;
    const second = bytes[length - back + 1] as number;
    const low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
    const high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high ? back : 0;
  }
  return 0;
}

const names: Record<Encoding, string> = { utf8: 'utf8', utf16le: 'utf16le', latin1: 'latin1', ascii: 'ascii', hex: 'hex', base64: 'base64', base64url: 'base64url' };

export const stringDecoder = once(() => {
  class StringDecoder {
    readonly encoding: string;
    readonly #encoding: Encoding;
    #pending: Uint8Array = new Uint8Array(0);

    constructor(name?: unknown) {
      const encoding = encodingOf(name);
      if (encoding === undefined) throw codedError(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name as string}`);
      this.#encoding = encoding;
      this.encoding = names[encoding];
    }
    write(input: unknown): string {
      if (typeof input === 'string') return input;
      const given = bytesOf(input);
      if (given === undefined) throw invalidType('buf', ['Buffer', 'TypedArray', 'DataView'], input);
      let bytes: Uint8Array = given;
      if (this.#pending.length > 0) {
        bytes = new Uint8Array(this.#pending.length + given.length);
        bytes.set(this.#pending);
        bytes.set(given, this.#pending.length);
      }
      const left = incompleteBytes(bytes, this.#encoding);
      this.#pending = bytes.slice(bytes.length - left);
      return decode(bytes.subarray(0, bytes.length - left), this.#encoding);
    }
    end(input?: unknown): string {
      const text = input === undefined ? '' : this.write(input);
      const rest = this.#pending;
      this.#pending = new Uint8Array(0);
      return text + decode(rest, this.#encoding);
    }
    text(input: Uint8Array, offset: number): string {
      this.#pending = new Uint8Array(0);
      return this.write(input.subarray(offset));
    }
  }
  return { StringDecoder };
});
