// CompressionStream and DecompressionStream (Compression standard, 5 and 6) over the engine's codecs.

import { once } from '../lazy.ts';
import { native } from '../native.ts';
import { bytesOf, domString, finishInterface } from '../webidl.ts';
import { type TransformState, transforms } from './transform.ts';

export const compressions = once(() => {
  const { setUp } = transforms();
  const FORMATS: Record<string, number> = { __proto__: null, gzip: 0, deflate: 1, 'deflate-raw': 2 } as never;

  function codec(what: string, format: unknown, decompress: boolean): TransformState {
    const name = domString(format);
    const number = FORMATS[name];
    if (number === undefined) throw new TypeError(`${what}: the format "${name}" is not supported; there are gzip, deflate and deflate-raw`);
    /** Opened for the first chunk: a stream that is never used has nothing to free. */
    let handle: number | undefined;
    const close = (): void => {
      if (handle !== undefined) native.codecClose(handle);
      handle = undefined;
    };
    const give = (into: TransformState, bytes: Uint8Array): void => { if (bytes.length > 0) into.enqueue(bytes); };
    return setUp({
      transform(chunk, into) {
        const bytes = bytesOf(chunk);
        if (bytes === undefined) throw new TypeError(`${what}: a chunk must be an ArrayBuffer or a view of one`);
        handle ??= native.codecOpen(number, decompress);
        let output: Uint8Array;
        try {
          output = native.codecWrite(handle, bytes);
        } catch (error) {
          close();
          throw error;
        }
        give(into, output);
      },
      flush(into) {
        const finishing = handle ?? native.codecOpen(number, decompress);
        handle = undefined;
        give(into, native.codecFinish(finishing));
      },
      cancel: close,
    });
  }

  class CompressionStream {
    readonly #state: TransformState;
    constructor(format: unknown) {
      if (arguments.length === 0) throw new TypeError('CompressionStream: give a format');
      this.#state = codec('CompressionStream', format, false);
    }
    get readable(): object { return this.#state.readable.object; }
    get writable(): object { return this.#state.writable.object; }
  }
  finishInterface(CompressionStream, 'CompressionStream');

  class DecompressionStream {
    readonly #state: TransformState;
    constructor(format: unknown) {
      if (arguments.length === 0) throw new TypeError('DecompressionStream: give a format');
      this.#state = codec('DecompressionStream', format, true);
    }
    get readable(): object { return this.#state.readable.object; }
    get writable(): object { return this.#state.writable.object; }
  }
  finishInterface(DecompressionStream, 'DecompressionStream');
  return { CompressionStream, DecompressionStream };
});
