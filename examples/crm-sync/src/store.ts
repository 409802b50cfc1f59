import type { Context } from '@belljar/sdk';

export interface Customer {
  readonly id: string;
  readonly name: string;
  /** Counts up with each change. */
  readonly revision: number;
}

/** Keeps the latest of each: events and pages may come in any order, and more than once. */
export async function store({ sdk }: Context, customers: readonly Customer[]): Promise<void> {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, revision INTEGER NOT NULL) STRICT');
  await sdk.db.batch(
    customers.map(({ id, name, revision }) => ({
      sql: `INSERT INTO customers VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET name = excluded.name, revision = excluded.revision WHERE excluded.revision > customers.revision`,
      params: [id, name, revision],
    })),
  );
}

export async function all({ sdk }: Context): Promise<Customer[]> {
  const there = await sdk.db.queryOne("SELECT 1 FROM sqlite_schema WHERE name = 'customers'");
  return there === null ? [] : sdk.db.query<Customer>('SELECT id, name, revision FROM customers ORDER BY id');
}
