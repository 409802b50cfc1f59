// The notes in the database.

import type { Sdk } from '@belljar/sdk';

export interface Draft {
  title: string;
  text: string;
}

export interface Note extends Draft {
  id: string;
}

const TITLE_CHARS_MAX = 200;

/** What came in, if it is a note. */
export function checked(value: unknown): Draft | undefined {
  const { title, text } = (value ?? {}) as Partial<Draft>;
  if (typeof title !== 'string' || title === '' || title.length > TITLE_CHARS_MAX || typeof text !== 'string') return undefined;
  return { title, text };
}

export async function open({ db }: Sdk): Promise<void> {
  await db.execute('CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, changed_at INTEGER NOT NULL) STRICT');
}

export async function create({ db }: Sdk, draft: Draft): Promise<Note> {
  const id = crypto.randomUUID();
  await db.execute('INSERT INTO notes VALUES (?, ?, ?, ?)', [id, draft.title, draft.text, Date.now()]);
  return { id, ...draft };
}

/** Notes whose title holds a text, newest first. */
export function list({ db }: Sdk, text: string): Promise<Note[]> {
  return db.query<Note>('SELECT id, title, text FROM notes WHERE instr(title, ?) ORDER BY changed_at DESC, id LIMIT 100', [text]);
}

export function find({ db }: Sdk, id: string): Promise<Note | null> {
  return db.queryOne<Note>('SELECT id, title, text FROM notes WHERE id = ?', [id]);
}

/** Whether there was such a note. */
export async function update({ db }: Sdk, id: string, { title, text }: Draft): Promise<boolean> {
  const { changes } = await db.execute('UPDATE notes SET title = ?, text = ?, changed_at = ? WHERE id = ?', [title, text, Date.now(), id]);
  return changes === 1;
}

/** Whether there was such a note. */
export async function remove({ db }: Sdk, id: string): Promise<boolean> {
  const { changes } = await db.execute('DELETE FROM notes WHERE id = ?', [id]);
  return changes === 1;
}
