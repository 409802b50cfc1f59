// The way from a test to its host: one event name that the host of tests takes for itself, with an answer in place of an event's id.

import type {} from '@belljar/sdk';
import type { Testing } from './driver.ts';

/** The name; `build/toolchain/src/testing.rs` has it too. */
export const CHANNEL = 'belljar.test';

let driver: Testing | undefined;

/** A test begins. */
export function beginHost(given: Testing): void { driver = given; }

/** What the driver gives a test. */
export function testing(): Testing {
  if (driver === undefined) throw new Error('this works in a test, not while tests are collected: put it into it(…) or beforeEach(…)');
  return driver;
}

/** Asks the host of tests. */
export async function ask<T>(request: object): Promise<T> {
  testing();
  return JSON.parse(await sdk.events.publish(CHANNEL, request)) as T;
}
