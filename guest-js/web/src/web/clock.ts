// The invocation's clock in the terms of performance.now: milliseconds whose zero is the start of the invocation.

import { native } from '../native.ts';

let originUs: number | undefined;

/** Sets the origin: what preparation may have read must not survive in the image. */
export function startClock(): void { originUs = native.nowUs(); }

/** The origin, in Unix time; milliseconds. */
export function timeOrigin(): number { return (originUs ??= native.nowUs()) / 1000; }

/** Milliseconds since the origin. */
export function now(): number {
  const us = native.nowUs();
  return (us - (originUs ??= us)) / 1000;
}
