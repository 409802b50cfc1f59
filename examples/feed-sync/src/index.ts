import type { Context, Handler } from '@belljar/sdk';
import config from '../config.json';
import { fetchFeed, type Item } from './feed.ts';
import { count, newestItems, open, store } from './store.ts';

const FEEDS_MAX = 50;

function wholeNumber(value: unknown, fallback: number, max: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? Math.min(value, max) : fallback;
}

/** Fetches all feeds at the same time and keeps what is new. */
const sync: Handler<{ feeds?: number } | undefined> = async ({ sdk }: Context, payload) => {
  const feeds = wholeNumber(payload?.feeds, config.feeds, FEEDS_MAX);
  const fetched = await Promise.all(
    Array.from({ length: feeds }, async (_, index) => {
      try {
        return await fetchFeed(sdk, index + 1);
      } catch (error) {
        sdk.log.warn('a feed cannot be read', { feed: index + 1, error: String(error) });
        return undefined;
      }
    }),
  );

  // The same item may be in several feeds: the newest one counts.
  const items = new Map<string, Item>();
  let received = 0;
  for (const item of fetched.flatMap((feed) => feed ?? [])) {
    received += 1;
    const known = items.get(item.id);
    if (known === undefined || known.updated < item.updated) items.set(item.id, item);
  }

  await open(sdk);
  const stored = await store(sdk, items.values());
  const failed = fetched.filter((feed) => feed === undefined).length;
  const summary = { feeds, failed, received, distinct: items.size, stored, total: await count(sdk) };
  sdk.log.info('feeds synchronised', summary);
  return summary;
};
export default sync;

/** The newest items. */
export const newest: Handler<{ limit?: number } | undefined> = async ({ sdk }, payload) => {
  await open(sdk);
  return newestItems(sdk, wholeNumber(payload?.limit, 10, 100));
};
