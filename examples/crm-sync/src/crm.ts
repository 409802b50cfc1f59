import type { Context } from '@belljar/sdk';

import type { Customer } from './store.ts';

async function get<T>(context: Context, path: string): Promise<T> {
  const base = context.config['base_url'];
  const response = await fetch(`${String(base)}${path}`, { signal: AbortSignal.timeout(5000) });
  // Thrown, it is tried again: the queue waits longer each time.
  if (!response.ok) throw new Error(`the CRM answered ${response.status} to ${path}`);
  return (await response.json()) as T;
}

export function fetchCustomer(context: Context, id: string): Promise<Customer> {
  return get<Customer>(context, `/customers/${encodeURIComponent(id)}`);
}

/** Customers that changed after a cursor, and the cursor after them. */
export function fetchPage(context: Context, cursor: string): Promise<{ customers: Customer[]; next: string }> {
  return get(context, `/customers?after=${encodeURIComponent(cursor)}`);
}
