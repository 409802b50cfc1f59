import type { Handler } from '@belljar/sdk';

import { fetchCustomer, fetchPage } from './crm.ts';
import { all, store } from './store.ts';

/** The CRM's word of a change, as an event. Handled at least once: storing the same customer twice changes nothing. */
export const changed: Handler<{ id: string }> = async (context, payload) => {
  const { events, log } = context.sdk;
  const customer = await fetchCustomer(context, payload.id);
  await store(context, [customer]);
  // The event's id makes it one event, however often this one is tried.
  await events.publish('customer.synced', { id: customer.id }, { key: `${context.eventId}` });
  log.info('stored', { id: customer.id, attempt: context.attempt });
};

/** Once an hour: begins where the last run came to. */
export const catchUp: Handler<{ scheduledTime: number }> = async (context) => {
  const { jobs, kv, log } = context.sdk;
  const cursor = (await kv.get<string>('cursor')) ?? '';
  // While a page is to be done, another run adds none.
  const job = await jobs.enqueue('page', { cursor }, { key: 'page' });
  log.info('begun', { cursor, job });
};

/** One page. The cursor moves on when all of the page is stored, and not before. */
export const page: Handler<{ cursor: string }> = async (context, payload) => {
  const { jobs, kv, log } = context.sdk;
  const { customers, next } = await fetchPage(context, payload.cursor);
  await store(context, customers);
  await kv.set('cursor', next);
  await jobs.progress({ stored: customers.length, cursor: next });
  if (customers.length > 0 && next !== payload.cursor) await jobs.enqueue('page', { cursor: next });
  log.info('page stored', { customers: customers.length, cursor: next });
  return { stored: customers.length, cursor: next };
};

export const customers: Handler = (context) => all(context);
