// Between ReadableStreams and what the platform itself reads from: bytes that are there, and sources of chunks (web/body-stream.ts).

import { bytesSlice, isView, promiseThen, SavedPromise, typedArrayTag } from '../primordials.ts';
import { once } from '../lazy.ts';
import { bytesOf } from '../webidl.ts';
import type { ChunkSource } from '../web/body-stream.ts';
import { type ByteState } from './byte-stream.ts';
import { cancelStream, closeStream, lockStream, readables, readChunk } from './readable.ts';
import { READABLE, type ReadableState } from './states.ts';
import { count } from './support.ts';

/** Bytes of one chunk at most. */
const CHUNK_BYTES = 64 << 10;

export const sources = once(() => {
  const { createBytes } = readables();

  function end(controller: ByteState): void {
    controller.close();
    // A read into a buffer gets its buffer back.
    if (count(controller.pending) > 0) controller.respond(0);
  }

  /** A stream of bytes that are there; `get` is called when they are wanted. The stream owns copies: it gives its buffers away. */
  function streamOfBytes(get: () => Uint8Array): ReadableState {
    let bytes: Uint8Array | undefined;
    let at = 0;
    const pull = (): void => {
      bytes ??= get();
      const controller = stream.controller as ByteState;
      if (at < bytes.length) controller.enqueue(bytesSlice(bytes, at, (at += CHUNK_BYTES)));
      if (at >= bytes.length) end(controller);
    };
    const stream = createBytes(undefined, pull, undefined);
    return stream;
  }

  function streamOfSource(source: ChunkSource): ReadableState {
    const pull = (): Promise<unknown> => promiseThen(source.read(), (bytes) => {
      const controller = stream.controller as ByteState;
      if (bytes === undefined) end(controller);
      // A copy: who made the chunk, or a clone that has it too, may still look at it.
      else if (bytes.length > 0) controller.enqueue(bytesSlice(bytes));
    });
    const stream = createBytes(undefined, pull, (reason) => source.cancel(reason));
    return stream;
  }

  /** Locks a stream and reads it. */
  function sourceOfStream(stream: ReadableState): ChunkSource {
    lockStream(stream, false);
    const next = (resolve: (bytes: Uint8Array | undefined) => void, reject: (reason: unknown) => void): void => {
      readChunk(stream, {
        chunk: (value) => {
          const bytes = isView(value) && typedArrayTag(value) === 'Uint8Array' ? bytesOf(value) : undefined;
          if (bytes === undefined) {
            const error = new TypeError('the body gave a chunk that is not a Uint8Array');
            void promiseThen(cancelStream(stream, error), undefined, () => { /* The chunk is what failed. */ });
            reject(error);
          } else if (bytes.length === 0) next(resolve, reject);
          else resolve(bytes);
        },
        close: () => resolve(undefined),
        error: reject,
      });
    };
    return {
      read: () => new SavedPromise(next),
      cancel: (reason) => void promiseThen(cancelStream(stream, reason), undefined, () => { /* Nobody waits for it. */ }),
    };
  }

  /** What a stream of the platform's own would have given is read elsewhere: it is locked, disturbed and at its end. */
  function abandonStream(stream: ReadableState): void {
    if (stream.status === READABLE) closeStream(stream);
    stream.disturbed = true;
    if (stream.reader === undefined) lockStream(stream, false);
  }

  return { abandonStream, sourceOfStream, streamOfBytes, streamOfSource };
});

/** The slots of a ReadableStream; undefined for anything else. Makes nothing. */
export function streamState(value: unknown): ReadableState | undefined {
  const made = readables.made();
  return made !== undefined && made.isStream(value) ? made.slotsOf(value) : undefined;
}
