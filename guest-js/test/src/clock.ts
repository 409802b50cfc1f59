// The clock of a test. Time stands unless it is waited for: waiting for it is what advances it, whoever waits. The host does both; see ADR 0030.

import { ask, testing } from './host.ts';

const { setTimeout: realSetTimeout } = globalThis;
/** The longest delay of a timer. */
const DELAY_MS_MAX = 2 ** 31 - 1;

function millisecondsOf(time: Date | number | string): number {
  const ms = typeof time === 'number' ? time : new Date(time).getTime();
  if (!Number.isFinite(ms) || ms < 0 || ms > 8.64e15) throw new RangeError('clock.set: the time must be a Date, a text that Date reads, or Unix time in milliseconds, from 1970 on');
  return ms;
}

export const clock = Object.freeze({
  /** Unix time in milliseconds. */
  now(): number { return testing().nowUs() / 1000; },
  /** Sets the time, forward or back. Timers that are set keep the time they are due at. */
  async set(time: Date | number | string): Promise<void> { await ask({ clock: millisecondsOf(time) }); },
  /** Lets so much time pass: timers that are due by then fire, each at its time, with what they lead to. */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError('clock.advance: the time must be a number of milliseconds, at least 0');
    for (let left = ms; left >= 0; left -= DELAY_MS_MAX) {
      await new Promise<void>((resolve) => void realSetTimeout(resolve, Math.min(left, DELAY_MS_MAX)));
    }
  },
});
