// The talks: in the database, which is filled when it is empty.

import type { Sdk } from '@belljar/sdk';

export interface Talk {
  id: number;
  title: string;
  speaker: string;
  track: string;
  hour: number;
  seats: number;
}

export const TRACKS = ['Sandboxes', 'Streams', 'Tools & <tags>'];
const SPEAKERS = ['Ada', 'Grace', 'Edsger', 'Barbara'];
const COUNT = 40;

/** Talks made up by a rule. */
export function talks(count: number): Talk[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    title: `Talk no. ${id}: "What & why"`,
    speaker: SPEAKERS[id % SPEAKERS.length] as string,
    track: TRACKS[id % TRACKS.length] as string,
    hour: 9 + (id % 8),
    seats: (id * 7) % 5,
  }));
}

export async function loadTalks({ db }: Sdk, track: string | undefined): Promise<Talk[]> {
  await db.execute(
    'CREATE TABLE IF NOT EXISTS talks (id INTEGER PRIMARY KEY, title TEXT, speaker TEXT, track TEXT, hour INTEGER, seats INTEGER) STRICT',
  );
  await db.batch(
    talks(COUNT).map((talk) => ({ sql: 'INSERT INTO talks VALUES (:id, :title, :speaker, :track, :hour, :seats) ON CONFLICT DO NOTHING', params: { ...talk } })),
  );
  return db.query<Talk>('SELECT * FROM talks WHERE track = ?1 OR ?1 IS NULL ORDER BY id', [track ?? null]);
}
