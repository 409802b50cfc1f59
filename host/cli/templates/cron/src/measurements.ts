// Measurements and their daily sums in the database.

import type { Sdk } from '@belljar/sdk';

export interface Measurement {
  sensor: string;
  value: number;
  /** Unix time in milliseconds. */
  at: number;
}

export interface Summary {
  /** Such as 2026-01-31, in UTC. */
  day: string;
  sensor: string;
  count: number;
  average: number;
}

export async function open({ db }: Sdk): Promise<void> {
  await db.batch([
    'CREATE TABLE IF NOT EXISTS measurements (sensor TEXT NOT NULL, value REAL NOT NULL, at INTEGER NOT NULL) STRICT',
    'CREATE TABLE IF NOT EXISTS summaries (day TEXT, sensor TEXT, count INTEGER NOT NULL, average REAL NOT NULL, PRIMARY KEY (day, sensor)) STRICT',
  ]);
}

export async function add({ db }: Sdk, { sensor, value, at }: Measurement): Promise<void> {
  await db.execute('INSERT INTO measurements VALUES (?, ?, ?)', [sensor, value, at]);
}

/** Sums up each day of each sensor. Answers how many that were. */
export async function sumUp({ db }: Sdk): Promise<number> {
  const { changes } = await db.execute(
    `INSERT INTO summaries SELECT date(at / 1000, 'unixepoch') AS day, sensor, count(*), avg(value) FROM measurements WHERE true GROUP BY day, sensor
     ON CONFLICT DO UPDATE SET count = excluded.count, average = excluded.average`,
  );
  return changes;
}

/** Removes measurements from before a time. Answers how many that were. */
export async function forget({ db }: Sdk, before: number): Promise<number> {
  const { changes } = await db.execute('DELETE FROM measurements WHERE at < ?', [before]);
  return changes;
}

export function list({ db }: Sdk): Promise<Summary[]> {
  return db.query<Summary>('SELECT day, sensor, count, average FROM summaries ORDER BY day DESC, sensor LIMIT 100');
}
