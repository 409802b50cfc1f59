// Queuing strategies (Streams standard, 7): how much may wait in a queue, and how large a chunk counts.

import { apply, defineProperty } from '../primordials.ts';
import { once } from '../lazy.ts';
import { dictionary, finishInterface } from '../webidl.ts';

export type Size = (chunk: unknown) => number;
export interface Strategy { readonly highWaterMark: number | undefined; readonly size: ((chunk: unknown) => unknown) | undefined }

const NONE: Strategy = { highWaterMark: undefined, size: undefined };

/** The dictionary QueuingStrategy. Its members are read in the order of their names, as Web IDL says. */
export function strategyOf(value: unknown, what: string): Strategy {
  if (value === undefined || value === null) return NONE;
  const given = dictionary(value, what);
  const mark = given['highWaterMark'];
  const highWaterMark = mark === undefined ? undefined : +(mark as number);
  const { size } = given;
  if (size !== undefined && typeof size !== 'function') throw new TypeError(`${what}: size must be a function`);
  return { highWaterMark, size: size as Strategy['size'] };
}

/** 7.3 ExtractHighWaterMark. */
export function highWaterMarkOf(strategy: Strategy, fallback: number): number {
  const mark = strategy.highWaterMark;
  if (mark === undefined) return fallback;
  if (!(mark >= 0)) throw new RangeError(`the highWaterMark must be a number of at least 0, not ${mark}`);
  return mark;
}

/** 7.3 ExtractSizeAlgorithm; undefined when every chunk counts as 1. */
export function sizeOf(strategy: Strategy): Size | undefined {
  const { size } = strategy;
  if (size === undefined || size === strategies.made()?.countSize) return undefined;
  return (chunk) => +(apply(size, undefined, [chunk]) as number);
}

/** 8.1 EnqueueValueWithSize: sizes that a queue cannot add up. */
export function checkSize(size: number): void {
  if (!(size >= 0 && size < Infinity)) throw new RangeError(`the size of a chunk must be a finite number of at least 0, not ${size}`);
}

export const strategies = once(() => {
  function markOf(init: unknown, what: string): number {
    const mark = init === undefined || init === null ? undefined : dictionary(init, what)['highWaterMark'];
    if (mark === undefined) throw new TypeError(`${what}: give { highWaterMark }`);
    return +(mark as number);
  }
  // Methods, because those have no `prototype` and cannot be called with `new`. Each is one function for all strategies.
  const byteSize = { size(chunk: unknown): unknown { return (chunk as { byteLength: unknown }).byteLength; } }.size;
  const countSize = { size(): number { return 1; } }.size;

  class ByteLengthQueuingStrategy {
    readonly #highWaterMark: number;
    constructor(init: unknown) {
      if (arguments.length === 0) throw new TypeError('ByteLengthQueuingStrategy: give { highWaterMark }');
      this.#highWaterMark = markOf(init, 'ByteLengthQueuingStrategy');
    }
    get highWaterMark(): number { return this.#highWaterMark; }
    get size(): typeof byteSize {
      void this.#highWaterMark;
      return byteSize;
    }
  }
  finishInterface(ByteLengthQueuingStrategy, 'ByteLengthQueuingStrategy');

  class CountQueuingStrategy {
    readonly #highWaterMark: number;
    constructor(init: unknown) {
      if (arguments.length === 0) throw new TypeError('CountQueuingStrategy: give { highWaterMark }');
      this.#highWaterMark = markOf(init, 'CountQueuingStrategy');
    }
    get highWaterMark(): number { return this.#highWaterMark; }
    get size(): typeof countSize {
      void this.#highWaterMark;
      return countSize;
    }
  }
  finishInterface(CountQueuingStrategy, 'CountQueuingStrategy');
  defineProperty(byteSize, 'name', { value: 'size', configurable: true });
  defineProperty(countSize, 'name', { value: 'size', configurable: true });
  return { ByteLengthQueuingStrategy, CountQueuingStrategy, countSize };
});
