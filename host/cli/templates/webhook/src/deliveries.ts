// The deliveries in the database, each of them once.

import type { Sdk } from '@belljar/sdk';

export interface Delivery {
  id: string;
  /** JSON text. */
  event: string;
  /** Unix time in milliseconds. */
  received_at: number;
}

export async function open({ db }: Sdk): Promise<void> {
  await db.execute('CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, event TEXT NOT NULL, received_at INTEGER NOT NULL) STRICT');
}

/** Whether it was new. */
export async function store({ db }: Sdk, id: string, event: unknown): Promise<boolean> {
  const { changes } = await db.execute('INSERT INTO deliveries VALUES (?, ?, ?) ON CONFLICT DO NOTHING', [id, JSON.stringify(event), Date.now()]);
  return changes === 1;
}

export function list({ db }: Sdk, limit: number): Promise<Delivery[]> {
  return db.query<Delivery>('SELECT id, event, received_at FROM deliveries ORDER BY received_at DESC, id LIMIT ?', [limit]);
}
