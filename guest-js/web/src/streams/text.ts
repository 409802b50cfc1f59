// TextEncoderStream and TextDecoderStream (Encoding standard, 7.3 and 7.4).

import { charCodeAt, slice } from '../primordials.ts';
import { once } from '../lazy.ts';
import { native } from '../native.ts';
import { bytesOf, domString, finishInterface, usvString } from '../webidl.ts';
import { decodeWith, TextDecoder } from '../web/encoding.ts';
import { type TransformState, transforms } from './transform.ts';

export const textStreams = once(() => {
  const { setUp } = transforms();
  const STREAM = { __proto__: null, stream: true };

  class TextEncoderStream {
    readonly #state: TransformState;
    constructor() {
      /** A high surrogate at the end of a chunk waits for its other half. */
      let high = '';
      this.#state = setUp({
        transform(chunk, into) {
          let text = high + domString(chunk);
          if (text === '') return;
          const last = charCodeAt(text, text.length - 1);
          high = '';
          if (last >= 0xd800 && last <= 0xdbff) {
            high = slice(text, -1);
            text = slice(text, 0, -1);
          }
          if (text !== '') into.enqueue(native.utf8Encode(usvString(text)));
        },
        flush(into) { if (high !== '') into.enqueue(native.utf8Encode('\ufffd')); },
      });
    }
    get encoding(): string {
      void this.#state;
      return 'utf-8';
    }
    get readable(): object { return this.#state.readable.object; }
    get writable(): object { return this.#state.writable.object; }
  }
  finishInterface(TextEncoderStream, 'TextEncoderStream');

  class TextDecoderStream {
    readonly #state: TransformState;
    readonly #encoding: string;
    readonly #fatal: boolean;
    readonly #ignoreBom: boolean;
    constructor(label: unknown = 'utf-8', options: unknown = undefined) {
      const decoder = new TextDecoder(label, options);
      this.#encoding = decoder.encoding;
      this.#fatal = decoder.fatal;
      this.#ignoreBom = decoder.ignoreBOM;
      this.#state = setUp({
        transform(chunk, into) {
          const bytes = bytesOf(chunk);
          if (bytes === undefined) throw new TypeError('TextDecoderStream: a chunk must be an ArrayBuffer or a view of one');
          const text = decodeWith(decoder, bytes, STREAM);
          if (text !== '') into.enqueue(text);
        },
        flush(into) {
          const text = decodeWith(decoder);
          if (text !== '') into.enqueue(text);
        },
      });
    }
    get encoding(): string { return this.#encoding; }
    get fatal(): boolean { return this.#fatal; }
    get ignoreBOM(): boolean { return this.#ignoreBom; }
    get readable(): object { return this.#state.readable.object; }
    get writable(): object { return this.#state.writable.object; }
  }
  finishInterface(TextDecoderStream, 'TextDecoderStream');
  return { TextEncoderStream, TextDecoderStream };
});
