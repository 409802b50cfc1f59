// The deliveries in the database. A delivery is known from the moment it is received and done when it is forwarded.

import type { Sdk } from '@belljar/sdk';

export interface Delivery {
  id: string;
  event: string;
  repository: string;
  summary: string;
}

export async function open({ db }: Sdk): Promise<void> {
  await db.execute(`CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, event TEXT NOT NULL, repository TEXT NOT NULL, summary TEXT NOT NULL,
    received_at INTEGER NOT NULL, forwarded_at INTEGER
  ) STRICT`);
}

/** Keeps a delivery. Answers whether it still has to be forwarded: it is new, or forwarding it has failed before. */
export function receive({ db }: Sdk, { id, event, repository, summary }: Delivery): Promise<boolean> {
  return db.transaction(async (tx) => {
    const known = await tx.queryOne<{ forwarded_at: number | null }>('SELECT forwarded_at FROM deliveries WHERE id = ?', [id]);
    if (known !== null) return known.forwarded_at === null;
    await tx.execute('INSERT INTO deliveries (id, event, repository, summary, received_at) VALUES (?, ?, ?, ?, ?)', [
      id,
      event,
      repository,
      summary,
      Date.now(),
    ]);
    return true;
  });
}

export async function markForwarded({ db }: Sdk, id: string): Promise<void> {
  await db.execute('UPDATE deliveries SET forwarded_at = ? WHERE id = ?', [Date.now(), id]);
}

export function list({ db }: Sdk): Promise<unknown[]> {
  return db.query(
    'SELECT id, event, repository, summary, forwarded_at IS NOT NULL AS forwarded FROM deliveries ORDER BY received_at DESC, id LIMIT 100',
  );
}
