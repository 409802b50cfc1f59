// The items in the database.

import type { Sdk } from '@belljar/sdk';
import type { Item } from './feed.ts';

export async function open({ db }: Sdk): Promise<void> {
  await db.execute('CREATE TABLE IF NOT EXISTS items (id TEXT PRIMARY KEY, title TEXT NOT NULL, updated INTEGER NOT NULL) STRICT, WITHOUT ROWID');
}

/** Stores what is new or newer, all of it or nothing. Answers how many items that were. */
export function store({ db }: Sdk, items: Iterable<Item>): Promise<number> {
  return db.transaction(async (tx) => {
    let stored = 0;
    for (const { id, title, updated } of items) {
      const { changes } = await tx.execute(
        `INSERT INTO items (id, title, updated) VALUES (:id, :title, :updated)
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, updated = excluded.updated WHERE excluded.updated > items.updated`,
        { id, title, updated },
      );
      stored += changes;
    }
    return stored;
  });
}

export async function count({ db }: Sdk): Promise<number> {
  const row = await db.queryOne<{ n: number }>('SELECT count(*) AS n FROM items');
  return row?.n ?? 0;
}

export function newestItems({ db }: Sdk, limit: number): Promise<Item[]> {
  return db.query<Item>('SELECT id, title, updated FROM items ORDER BY updated DESC, id LIMIT ?', [limit]);
}
