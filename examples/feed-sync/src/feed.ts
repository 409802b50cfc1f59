// One feed over http, and the check that it is one.

import type { Sdk } from '@belljar/sdk';
import config from '../config.json';

export interface Item {
  id: string;
  title: string;
  /** Unix time in seconds. */
  updated: number;
}

const TIMEOUT_MS = 10_000;
const ITEMS_MAX = 1_000;

function isItem(value: unknown): value is Item {
  const item = value as Item | null;
  return typeof item?.id === 'string' && typeof item.title === 'string' && Number.isSafeInteger(item.updated);
}

export async function fetchFeed(sdk: Sdk, feed: number): Promise<Item[]> {
  const response = await sdk.http.get(`${config.baseUrl}/feeds/${feed}`, { timeoutMs: TIMEOUT_MS });
  if (!response.ok) throw new Error(`feed ${feed} answered ${response.status}`);
  const { items } = await response.json();
  if (!Array.isArray(items) || items.length > ITEMS_MAX || !items.every(isItem)) throw new Error(`feed ${feed} is not a feed`);
  return items;
}
