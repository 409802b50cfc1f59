import type { ExportedHandler, Handler } from '@belljar/sdk';
import { add, forget, list, open, sumUp } from './measurements.ts';

const DAY_MS = 86_400_000;
const DAYS_KEPT = 30;

/** Every night, as the manifest says. It can run twice without harm: a day that was summed up is summed up again. */
export default {
  async scheduled(event, { sdk }) {
    await open(sdk);
    const days = await sumUp(sdk);
    const forgotten = await forget(sdk, event.scheduledTime - DAYS_KEPT * DAY_MS);
    sdk.log.info('summed up', { days, forgotten, cron: event.cron });
    return { days, forgotten };
  },
} satisfies ExportedHandler;

/** Keeps one measurement. */
export const measure: Handler<{ sensor: string; value: number; at?: number }> = async ({ sdk }, { sensor, value, at = Date.now() }) => {
  if (typeof sensor !== 'string' || !Number.isFinite(value)) throw new TypeError('a measurement has a sensor (text) and a value (number)');
  await open(sdk);
  await add(sdk, { sensor, value, at });
  return { sensor, value, at };
};

/** What was summed up, newest day first. */
export const summaries: Handler = async ({ sdk }) => {
  await open(sdk);
  return list(sdk);
};
