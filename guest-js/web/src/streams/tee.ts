// Two streams of one (Streams standard, 4.9.1): ReadableStreamDefaultTee and ReadableByteStreamTee.

import { bytesSlice, promiseThen, SavedPromise, SavedUint8Array } from '../primordials.ts';
import { once } from '../lazy.ts';
import { bufferOf, lengthOf, offsetOf } from './buffers.ts';
import { type ByteState, byteStreams } from './byte-stream.ts';
import type { DefaultState } from './default-controller.ts';
import { cancelStream, lockStream, readables, readChunk, releaseReader } from './readable.ts';
import type { ReadableState, ReaderState, ReadIntoRequest } from './states.ts';
import { afterTick, noop, promiseFor } from './support.ts';

type Pair<T> = [T, T];

export const tees = once(() => {
  const { create, createBytes } = readables();
  const { isByteState, readInto } = byteStreams();

  function locked(): TypeError { return new TypeError('tee: the stream is locked to a reader'); }

  /** Both branches are cancelled before the stream is, with both reasons. */
  function cancelling(stream: ReadableState): { reasons: Pair<{ reason: unknown } | undefined>; cancel: (branch: 0 | 1, reason: unknown) => Promise<unknown>; settle: (result: unknown) => void } {
    const reasons: Pair<{ reason: unknown } | undefined> = [undefined, undefined];
    let settle!: (result: unknown) => void;
    const done = new SavedPromise<unknown>((resolve) => (settle = resolve));
    return {
      reasons, settle,
      cancel: (branch, reason) => {
        reasons[branch] = { reason };
        const [one, two] = reasons;
        if (one !== undefined && two !== undefined) settle(cancelStream(stream, [one.reason, two.reason]));
        return done;
      },
    };
  }

  /** `copy` makes the second branch's chunks of the first one's. */
  function teeValues(stream: ReadableState, copy: ((chunk: unknown) => unknown) | undefined): Pair<ReadableState> {
    const reader = lockStream(stream, false);
    const { reasons, cancel, settle } = cancelling(stream);
    const both: Pair<ReadableState> = [undefined as never, undefined as never];
    const controller = (i: 0 | 1): DefaultState => both[i].controller as DefaultState;
    let reading = false;
    let readAgain = false;
    const request = {
      chunk: (chunk: unknown): void => {
        // In a job of its own, so that an error that is there already comes first.
        afterTick(() => {
          readAgain = false;
          let second = chunk;
          if (reasons[1] === undefined && copy !== undefined) {
            try {
              second = copy(chunk);
            } catch (error) {
              controller(0).error(error);
              controller(1).error(error);
              settle(cancelStream(stream, error));
              return;
            }
          }
          if (reasons[0] === undefined) controller(0).enqueue(chunk);
          if (reasons[1] === undefined) controller(1).enqueue(second);
          reading = false;
          if (readAgain) pull();
        });
      },
      close: (): void => {
        reading = false;
        if (reasons[0] === undefined) controller(0).close();
        if (reasons[1] === undefined) controller(1).close();
        if (reasons[0] === undefined || reasons[1] === undefined) settle(undefined);
      },
      error: (): void => { reading = false; },
    };
    const pull = (): undefined => {
      if (reading) {
        readAgain = true;
        return;
      }
      reading = true;
      readChunk(stream, request);
    };
    both[0] = create(undefined, pull, (reason) => cancel(0, reason));
    both[1] = create(undefined, pull, (reason) => cancel(1, reason));
    void promiseThen(promiseFor(reader.closed), noop, (reason) => {
      controller(0).error(reason);
      controller(1).error(reason);
      if (reasons[0] === undefined || reasons[1] === undefined) settle(undefined);
    });
    return both;
  }

  function teeBytes(stream: ReadableState): Pair<ReadableState> {
    let reader: ReaderState = lockStream(stream, false);
    const { reasons, cancel, settle } = cancelling(stream);
    const both: Pair<ReadableState> = [undefined as never, undefined as never];
    const controller = (i: 0 | 1): ByteState => both[i].controller as ByteState;
    let reading = false;
    const again: Pair<boolean> = [false, false];

    const forward = (from: ReaderState): void => {
      void promiseThen(promiseFor(from.closed), noop, (reason) => {
        if (from !== reader) return;
        controller(0).error(reason);
        controller(1).error(reason);
        if (reasons[0] === undefined || reasons[1] === undefined) settle(undefined);
      });
    };
    /** A copy for the other branch; when there is no memory for it, both fail. */
    const copyOf = (chunk: ArrayBufferView): Uint8Array | undefined => {
      try {
        return bytesSlice(new SavedUint8Array(bufferOf(chunk), offsetOf(chunk), lengthOf(chunk)));
      } catch (error) {
        controller(0).error(error);
        controller(1).error(error);
        settle(cancelStream(stream, error));
        return undefined;
      }
    };
    const resume = (): void => {
      reading = false;
      if (again[0]) pull(0);
      else if (again[1]) pull(1);
    };

    const request = {
      chunk: (value: unknown): void => afterTick(() => {
        const chunk = value as Uint8Array;
        again[0] = again[1] = false;
        let second: Uint8Array | undefined = chunk;
        if (reasons[0] === undefined && reasons[1] === undefined) {
          second = copyOf(chunk);
          if (second === undefined) return;
        }
        if (reasons[0] === undefined) controller(0).enqueue(chunk);
        if (reasons[1] === undefined) controller(1).enqueue(second);
        resume();
      }),
      close: (): void => {
        reading = false;
        for (const i of [0, 1] as const) if (reasons[i] === undefined) controller(i).close();
        for (const i of [0, 1] as const) if (controller(i).pending.items.length > 0) controller(i).respond(0);
        if (reasons[0] === undefined || reasons[1] === undefined) settle(undefined);
      },
      error: (): void => { reading = false; },
    };
    const pullDefault = (): void => {
      if (reader.into !== undefined) {
        releaseReader(reader);
        reader = lockStream(stream, false);
        forward(reader);
      }
      readChunk(stream, request);
    };
    const pullInto = (view: ArrayBufferView, branch: 0 | 1): void => {
      if (reader.into === undefined) {
        releaseReader(reader);
        reader = lockStream(stream, true);
        forward(reader);
      }
      const other = branch === 0 ? 1 : 0;
      const into: ReadIntoRequest = {
        chunk: (chunk) => afterTick(() => {
          again[0] = again[1] = false;
          if (reasons[other] === undefined) {
            const copy = copyOf(chunk);
            if (copy === undefined) return;
            if (reasons[branch] === undefined) controller(branch).respondWithView(chunk);
            controller(other).enqueue(copy);
          } else if (reasons[branch] === undefined) controller(branch).respondWithView(chunk);
          resume();
        }),
        close: (chunk) => {
          reading = false;
          if (reasons[branch] === undefined) controller(branch).close();
          if (reasons[other] === undefined) controller(other).close();
          if (chunk !== undefined) {
            if (reasons[branch] === undefined) controller(branch).respondWithView(chunk);
            if (reasons[other] === undefined && controller(other).pending.items.length > 0) controller(other).respond(0);
          }
          if (reasons[branch] === undefined || reasons[other] === undefined) settle(undefined);
        },
        error: () => { reading = false; },
      };
      readInto(stream, view, 1, into);
    };
    const pull = (branch: 0 | 1): undefined => {
      if (reading) {
        again[branch] = true;
        return;
      }
      reading = true;
      const view = controller(branch).currentRequest()?.view;
      if (view === undefined) pullDefault();
      else pullInto(view, branch);
    };
    both[0] = createBytes(undefined, () => pull(0), (reason) => cancel(0, reason));
    both[1] = createBytes(undefined, () => pull(1), (reason) => cancel(1, reason));
    forward(reader);
    return both;
  }

  function teeSlots(stream: ReadableState, copy?: (chunk: unknown) => unknown): Pair<ReadableState> {
    if (stream.reader !== undefined) throw locked();
    return isByteState(stream.controller) ? teeBytes(stream) : teeValues(stream, copy);
  }
  type Stream = InstanceType<ReturnType<typeof readables>['ReadableStream']>;
  function tee(stream: ReadableState): Pair<Stream> {
    const [one, two] = teeSlots(stream);
    return [one.object as Stream, two.object as Stream];
  }
  return { tee, teeSlots };
});
