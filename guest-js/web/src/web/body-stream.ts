// Bodies that move in pieces, with back-pressure both ways: from the host to the applet (a source reads when it is asked) and from the
// applet to the host (a pump writes when the host has taken what went before). Knows neither requests nor responses.

import type { Outcome, StreamId } from '../bindings.ts';
import { native } from '../native.ts';
import { abandon, type ErrorOutcome, operate, register, sdkFailure, unexpected } from '../operations.ts';
import { apply, bytesSubarray, isView, promiseReject, promiseResolve, push, SavedPromise, typedArrayTag } from '../primordials.ts';
import { SdkError, stackHere } from '../sdk-error.ts';
import { bytesOf } from '../webidl.ts';
import { abortReason, type AbortSignal, addAlgorithm, removeAlgorithm } from './abort.ts';
import { joinBytes } from './blob.ts';

/** Bytes asked for at once, and bytes of one write at most. */
const READ_BYTES_MAX = 64 << 10;
const WRITE_BYTES_MAX = 256 << 10;

/** A body that is read in pieces, one read at a time. */
export interface ChunkSource {
  /** The next bytes, never none of them; undefined at the end. Rejects when the body breaks off. */
  read(): Promise<Uint8Array | undefined>;
  /** No more is wanted. */
  cancel(reason: unknown): void;
}

type Fail = (outcome: ErrorOutcome, stack: string) => unknown;

/** A body from the host. It is given up when `signal` aborts; `fail` makes the error when it breaks off. */
export function hostSource(stream: StreamId, signal: AbortSignal | undefined, fail: Fail = sdkFailure): ChunkSource {
  let hasEnded = false;
  let failure: { reason: unknown } | undefined;
  let stack: string | undefined;
  let waiting: { operation: number; reject: (reason: unknown) => void } | undefined;
  const end = (): void => {
    if (hasEnded) return;
    hasEnded = true;
    native.bodyClose(stream);
    if (signal !== undefined) removeAlgorithm(signal, abort);
  };
  const breakOff = (reason: unknown): void => {
    if (hasEnded) return;
    failure = { reason };
    if (waiting !== undefined) {
      abandon(waiting.operation);
      waiting.reject(reason);
    }
    end();
  };
  const abort = (): void => breakOff(abortReason(signal as AbortSignal));
  if (signal !== undefined && !addAlgorithm(signal, abort)) abort();
  return {
    read: () => {
      if (failure !== undefined) return promiseReject(failure.reason);
      if (hasEnded) return promiseResolve(undefined);
      const operation = native.bodyRead(stream, READ_BYTES_MAX);
      // Of the first read: later ones have no frame of the applet's.
      const at = (stack ??= stackHere());
      return new SavedPromise<Uint8Array | undefined>((resolve, reject) => {
        waiting = { operation, reject };
        register(operation, {
          resolve: resolve as (value: unknown) => void, reject, stack: at,
          convert: (outcome: Outcome) => {
            waiting = undefined;
            if (outcome.kind !== 'chunk') return unexpected(outcome);
            if (outcome.bytes === undefined) end();
            return outcome.bytes;
          },
          fail: (outcome: ErrorOutcome) => {
            waiting = undefined;
            failure = { reason: fail(outcome, at) };
            end();
            return failure.reason;
          },
        });
      });
    },
    cancel: (reason) => breakOff(reason),
  };
}

/** A body that an applet gives as an async iterable of Uint8Arrays; undefined for anything else. */
export function iterableSource(value: unknown): ChunkSource | undefined {
  const method = typeof value === 'object' && value !== null ? (value as AsyncIterable<unknown>)[Symbol.asyncIterator] : undefined;
  if (typeof method !== 'function') return undefined;
  let iterator: AsyncIterator<unknown> | undefined;
  const open = (): AsyncIterator<unknown> => (iterator ??= apply(method, value, []) as AsyncIterator<unknown>);
  return {
    read: async () => {
      for (;;) {
        const step = await open().next();
        if (step.done === true) return undefined;
        const bytes = isView(step.value) && typedArrayTag(step.value) === 'Uint8Array' ? bytesOf(step.value) : undefined;
        if (bytes === undefined) throw new TypeError('the body gave a chunk that is not a Uint8Array');
        if (bytes.length > 0) return bytes;
      }
    },
    cancel: () => {
      // What the iterator makes of it is its own affair.
      const ignore = async (): Promise<void> => {
        try {
          await open().return?.();
        } catch { /* As the comment above says. */ }
      };
      void ignore();
    },
  };
}

/** All bytes. */
export async function readAll(source: ChunkSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await source.read();
    if (chunk === undefined) return chunks.length === 1 ? (chunks[0] as Uint8Array) : joinBytes(chunks);
    push(chunks, chunk);
  }
}

/** Two sources that both give what one gives. What one branch has read and the other has not is kept. */
export function tee(source: ChunkSource): [ChunkSource, ChunkSource] {
  const kept: [Promise<Uint8Array | undefined>[], Promise<Uint8Array | undefined>[]] = [[], []];
  let cancelled = 0;
  const branch = (own: 0 | 1): ChunkSource => {
    let isWanted = true;
    let at = 0;
    return {
      read: () => {
        if (at < kept[own].length) return kept[own][at++] as Promise<Uint8Array | undefined>;
        kept[own].length = 0;
        at = 0;
        const next = source.read();
        push(kept[own === 0 ? 1 : 0], next);
        return next;
      },
      cancel: (reason) => {
        if (isWanted && ++cancelled === 2) source.cancel(reason);
        isWanted = false;
      },
    };
  };
  return [branch(0), branch(1)];
}

/** Writes bytes; resolves when the host has taken all of them. */
export async function writeChunk(stream: StreamId, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
    const piece = bytes.length <= WRITE_BYTES_MAX ? bytes : bytesSubarray(bytes, at, at + WRITE_BYTES_MAX);
    await operate(() => native.bodyWrite(stream, piece), (outcome) => (outcome.kind === 'written' ? undefined : unexpected(outcome)));
  }
}

function textOf(error: unknown): string {
  try {
    return `${error as string}`;
  } catch {
    return 'the body failed';
  }
}

/**
 * Writes all of `source` to `stream`, and ends it. Rejects when the source does; when the other side takes no more, the source is
 * cancelled, and whoever waits for the other side's answer learns why.
 */
export async function pump(source: ChunkSource, stream: StreamId): Promise<void> {
  for (;;) {
    let chunk: Uint8Array | undefined;
    try {
      chunk = await source.read();
    } catch (error) {
      native.bodyAbort(stream, textOf(error));
      throw error;
    }
    if (chunk === undefined) break;
    try {
      await writeChunk(stream, chunk);
    } catch (error) {
      source.cancel(error);
      native.bodyAbort(stream, textOf(error));
      if (error instanceof SdkError) return;
      throw error;
    }
  }
  native.bodyClose(stream);
}
