// TextEncoder and TextDecoder (Encoding standard, 7), by the engine.

import type { Decoder } from '../bindings.ts';
import { native } from '../native.ts';
import { charCodeAt, SavedUint8Array, slice, typedArrayLength, typedArrayTag, uncurryThis } from '../primordials.ts';
import { bytesOf, dictionary, domString, finishInterface, required, usvString } from '../webidl.ts';

export class TextEncoder {
  readonly #isOurs = true;
  get encoding(): string {
    void this.#isOurs;
    return 'utf-8';
  }
  encode(input: unknown = ''): Uint8Array {
    void this.#isOurs;
    return native.utf8Encode(usvString(input));
  }
  encodeInto(source: unknown, destination: unknown): { read: number; written: number } {
    void this.#isOurs;
    required(arguments.length, 2, 'encodeInto');
    const text = usvString(source);
    if (typedArrayTag(destination) !== 'Uint8Array') throw new TypeError('encodeInto: the destination must be a Uint8Array');
    const size = typedArrayLength(destination);
    // A UTF-16 unit takes a byte at least: more than `size` of them do not fit.
    const end = size > 0 && size < text.length && isHigh(charCodeAt(text, size - 1)) ? size + 1 : size;
    const [read, written] = size === 0 ? [0, 0] : native.utf8EncodeInto(end < text.length ? slice(text, 0, end) : text, destination as Uint8Array);
    return { read, written };
  }
}
finishInterface(TextEncoder, 'TextEncoder');

function isHigh(code: number): boolean { return code >= 0xd800 && code <= 0xdbff; }

export class TextDecoder {
  readonly #encoding: string;
  readonly #fatal: boolean;
  readonly #ignoreBom: boolean;
  /** While what was decoded so far is not all there is. */
  #decoder: Decoder | undefined;

  constructor(label: unknown = 'utf-8', options?: unknown) {
    const encoding = label === 'utf-8' ? 'utf-8' : native.encodingName(domString(label));
    if (encoding === undefined) throw new RangeError(`TextDecoder: there is no encoding "${label as string}"`);
    const given = dictionary(options, 'TextDecoder');
    this.#encoding = encoding;
    this.#fatal = !!given['fatal'];
    this.#ignoreBom = !!given['ignoreBOM'];
  }
  get encoding(): string { return this.#encoding; }
  get fatal(): boolean { return this.#fatal; }
  get ignoreBOM(): boolean { return this.#ignoreBom; }

  decode(input?: unknown, options?: unknown): string {
    const encoding = this.#encoding;
    const given = input === undefined ? new SavedUint8Array(0) : bytesOf(input);
    if (given === undefined) throw new TypeError('decode: the input must be an ArrayBuffer or a view of one');
    const isLast = !dictionary(options, 'decode')['stream'];
    // Reading the option may have detached it.
    const bytes = input === undefined ? given : (bytesOf(input) as Uint8Array);
    let decoder = this.#decoder;
    this.#decoder = undefined;
    if (isLast && decoder === undefined && encoding === 'utf-8') return native.utf8Decode(bytes, this.#fatal, this.#ignoreBom);
    decoder ??= native.decoderOpen(encoding, this.#ignoreBom);
    const text = native.decode(decoder, bytes, this.#fatal, isLast);
    if (!isLast) this.#decoder = decoder;
    return text;
  }
}
finishInterface(TextDecoder, 'TextDecoder', 'decode:0');
export const decodeWith = uncurryThis(TextDecoder.prototype.decode) as (self: TextDecoder, input?: unknown, options?: unknown) => string;
