// The capabilities. What is wrong has a line above it that expects an error.

import type { Changes, Row, Sdk, SdkError, SqlValue, Statement } from '@belljar/sdk';

interface Item { id: string; title: string; price: number }

export async function database({ db }: Sdk): Promise<Item | null> {
  const rows: Row[] = await db.query('SELECT * FROM items');
  const first: SqlValue | undefined = rows[0]?.['title'];
  void first;
  const items = await db.query<Item>('SELECT id, title, price FROM items WHERE price < :max', { max: 10n });
  const titles: string[] = items.map((item) => item.title);
  const { changes, lastInsertRowid }: Changes = await db.execute('INSERT INTO items VALUES (?, ?, ?)', ['a', null, new Uint8Array(2)]);
  const both: number | bigint = lastInsertRowid;
  const statements: Statement[] = ['DELETE FROM items', ['DELETE FROM items WHERE id = ?', ['a']], { sql: 'VACUUM', params: [] }];
  const batch: Changes[] = await db.batch(statements);
  const counted: number = await db.transaction(async (tx) => {
    await tx.exec('DELETE FROM items');
    const row = await tx.queryOne<{ n: number }>('SELECT count(*) AS n FROM items');
    // @ts-expect-error within a transaction there is no other one
    void tx.transaction;
    return row?.n ?? 0;
  });
  // @ts-expect-error a date is no value of SQLite's
  await db.execute('INSERT INTO items VALUES (?)', [new Date()]);
  // @ts-expect-error parameters are a list or an object
  await db.query('SELECT ?', 1);
  // @ts-expect-error there may be no row
  void (await db.queryOne<Item>('SELECT 1')).title;
  void [titles, changes, both, batch, counted];
  return db.queryOne<Item>('SELECT * FROM items');
}

export async function outgoing({ http }: Sdk): Promise<unknown> {
  const reply: Response = await http.get('https://api.example.com/v1', { query: { page: '2' }, headers: { accept: 'application/json' }, timeoutMs: 500 });
  await http.post(new URL('https://api.example.com'), { any: ['value'] }, { signal: AbortSignal.timeout(100) });
  await http.put('https://api.example.com', new Uint8Array(3));
  await http.patch('https://api.example.com', new URLSearchParams({ a: 'b' }));
  await http.delete('https://api.example.com');
  await http.fetch(new Request('https://api.example.com'), { timeoutMs: 100 });
  // @ts-expect-error options come second, there is no body of a GET
  await http.get('https://api.example.com', {}, {});
  // @ts-expect-error milliseconds are a number
  await http.get('https://api.example.com', { timeoutMs: '500' });
  // @ts-expect-error there is no such method
  void http.head;
  return reply.json();
}

export function lines({ log, crypto, SdkError }: Sdk, error: unknown): string {
  log.debug('d');
  log.info('i', { n: 1, at: new Date() });
  log.warn('w');
  log.error('e', { error: String(error) });
  // @ts-expect-error fields are an object
  log.info('i', 1);
  // @ts-expect-error there is no such level
  log.fatal('f');
  if (error instanceof SdkError) {
    const { code, capability, limit, allowed, used }: SdkError = error;
    log.error(error.message, { code, capability, limit, allowed, used });
  }
  const equal: boolean = crypto.timingSafeEqual('a', new Uint8Array(1));
  return equal ? crypto.sha256Hex('text') : crypto.hmacSha256Hex(new ArrayBuffer(1), 'text');
}

// The global is the same object.
void sdk.log.info('global');
// @ts-expect-error it is frozen
sdk.log.info = () => {};

export async function keysAndValues({ kv, secrets, config }: Sdk): Promise<unknown> {
  await kv.set('a', { list: [1] }, { ttlMs: 1_000 });
  const value: { list: number[] } | undefined = await kv.get<{ list: number[] }>('a');
  const [one]: (string | undefined)[] = await kv.mget<string>(['a', 'b']);
  const sum: number = await kv.increment('n', -2, { ttlMs: 5 });
  const won: boolean = await kv.compareAndSet('lock', undefined, 'me');
  const { keys, cursor } = await kv.list({ prefix: 'a/', limit: 10 });
  await kv.list({ cursor });
  const secret: string | undefined = await secrets.get('KEY');
  const rate = config.get<number>('RATE');
  // @ts-expect-error there is no such option
  await kv.set('a', 1, { ttl: 5 });
  // @ts-expect-error a key is a string
  await kv.get(1);
  // @ts-expect-error it may not be there
  void (await secrets.get('KEY')).length;
  return [value, one, sum, won, keys, secret, rate];
}

export async function later({ events, jobs }: Sdk): Promise<string[]> {
  const event = await events.publish('order.paid', { id: 1 }, { key: 'k', orderKey: 'customer', delayMs: 10 });
  const job = await jobs.enqueue('report', [1], { delayMs: 5, priority: 1, key: 'k' });
  const timed = await jobs.schedule('report', new Date(), null, { priority: -1 });
  const cancelled: boolean = await jobs.cancel(job);
  await jobs.progress(0.5);
  // @ts-expect-error the time is given already
  await jobs.schedule('report', 0, null, { delayMs: 5 });
  // @ts-expect-error there is no such option
  await events.publish('order.paid', null, { delay: 5 });
  return cancelled ? [event] : [job, timed];
}
