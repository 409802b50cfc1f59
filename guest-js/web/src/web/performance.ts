// performance.now and timeOrigin over the invocation's clock, whose zero is the start of the invocation.

import { native } from '../native.ts';
import { finishInterface } from '../webidl.ts';

let originUs: number | undefined;

/** Sets the origin: what preparation may have read must not survive in the image. */
export function startClock(): void { originUs = native.nowUs(); }

/** Milliseconds since the origin. */
export function now(): number {
  const us = native.nowUs();
  return (us - (originUs ??= us)) / 1000;
}

class Performance {
  get timeOrigin(): number { return (originUs ??= native.nowUs()) / 1000; }
  now(): number { return now(); }
  toJSON(): { timeOrigin: number } { return { timeOrigin: this.timeOrigin }; }
}
finishInterface(Performance, 'Performance');

export { Performance };
export const performance = new Performance();
