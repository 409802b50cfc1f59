// The internal slots of readable and writable streams, as records: the algorithms work on these and never on what applets can see.

import type { Fifo, Later } from './support.ts';

export const READABLE = 0;
export const CLOSED = 1;
export const ERRORED = 2;

/** What a read asks for: exactly one of these is called, once. */
export interface ReadRequest {
  chunk(value: unknown): void;
  close(): void;
  error(reason: unknown): void;
}

/** The same for a read into a buffer: the buffer comes back at the end, unless the stream was cancelled. */
export interface ReadIntoRequest {
  chunk(view: ArrayBufferView): void;
  close(view: ArrayBufferView | undefined): void;
  error(reason: unknown): void;
}

/** `poll` found no chunk. */
export const NO_CHUNK: unique symbol = Symbol('no chunk');

/** What a stream asks of its controller, of either kind. */
export interface ReadableController {
  /** The next chunk that is queued; NO_CHUNK when there is none. */
  poll(): unknown;
  /** Queues a request that `poll` had nothing for. */
  wait(request: ReadRequest): void;
  /** 4.5.3 [[CancelSteps]]; a promise or a plain value. */
  cancel(reason: unknown): unknown;
  /** 4.5.3 [[ReleaseSteps]]. */
  release(): void;
  error(reason: unknown): void;
}

export interface ReadableState {
  object: object;
  status: number;
  error: unknown;
  disturbed: boolean;
  reader: ReaderState | undefined;
  controller: ReadableController;
}

export interface ReaderState {
  stream: ReadableState | undefined;
  closed: Later;
  readonly requests: Fifo<ReadRequest>;
  /** Of a BYOB reader only. */
  readonly into: Fifo<ReadIntoRequest> | undefined;
}

/** Whether a default reader waits for chunks. */
export function hasRequests(stream: ReadableState): boolean {
  const { reader } = stream;
  return reader !== undefined && reader.requests.items.length > reader.requests.head;
}
