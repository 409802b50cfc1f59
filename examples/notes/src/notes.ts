// The notes in the database; `migrations` has its tables.

import type { Sdk } from '@belljar/sdk';

export interface Draft {
  title: string;
  text: string;
}

export interface Note extends Draft {
  id: number;
  author: string;
  changedAt: number;
}

export interface Merged {
  id: number;
  mergedInto: number;
}

export interface Page {
  notes: Note[];
  /** Given back as `after` it leads to the next page; null on the last one. */
  next: number | null;
}

const TITLE_CHARS_MAX = 200;
const TEXT_CHARS_MAX = 100_000;
const NOTE = 'id, title, text, author, changed_at AS changedAt';

export function idOf(text: string | null | undefined): number | undefined {
  return text && /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined;
}

/** What came in, if it is a note. */
export function draftOf(value: unknown): Draft | undefined {
  const { title, text } = (value ?? {}) as Partial<Draft>;
  if (typeof title !== 'string' || title === '' || title.length > TITLE_CHARS_MAX) return undefined;
  if (typeof text !== 'string' || text.length > TEXT_CHARS_MAX) return undefined;
  return { title, text };
}

/** A page by key: it stays right when notes come and go between two pages, and costs the same however far it is. */
export async function page({ db }: Sdk, after: number, limit: number): Promise<Page> {
  const notes = await db.query<Note>(`SELECT ${NOTE} FROM notes WHERE id > ? ORDER BY id LIMIT ?`, [after, limit + 1]);
  const next = notes.length > limit ? (notes[limit - 1]?.id ?? null) : null;
  return { notes: notes.slice(0, limit), next };
}

export async function create({ db }: Sdk, { title, text }: Draft, author: string): Promise<Note> {
  const changedAt = Date.now();
  const { lastInsertRowid } = await db.execute('INSERT INTO notes (title, text, author, changed_at) VALUES (?, ?, ?, ?)', [title, text, author, changedAt]);
  return { id: Number(lastInsertRowid), title, text, author, changedAt };
}

/** The note, or where it went. */
export async function find({ db }: Sdk, id: number): Promise<Note | Merged | undefined> {
  const note = await db.queryOne<Note>(`SELECT ${NOTE} FROM notes WHERE id = ?`, [id]);
  if (note !== null) return note;
  const merged = await db.queryOne<Merged>('SELECT id, into_id AS mergedInto FROM merges WHERE id = ?', [id]);
  return merged ?? undefined;
}

export async function replace({ db }: Sdk, id: number, { title, text }: Draft, author: string): Promise<Note | undefined> {
  const changedAt = Date.now();
  const { changes } = await db.execute('UPDATE notes SET title = ?, text = ?, author = ?, changed_at = ? WHERE id = ?', [title, text, author, changedAt, id]);
  return changes === 1 ? { id, title, text, author, changedAt } : undefined;
}

/** Whether there was such a note. */
export async function remove({ db }: Sdk, id: number): Promise<boolean> {
  const { changes } = await db.execute('DELETE FROM notes WHERE id = ?', [id]);
  return changes === 1;
}

export function merge({ db }: Sdk, id: number, other: number, author: string): Promise<Note | undefined> {
  return db.transaction(async (tx) => {
    const kept = await tx.queryOne<Note>(`SELECT ${NOTE} FROM notes WHERE id = ?`, [id]);
    const gone = await tx.queryOne<Note>(`SELECT ${NOTE} FROM notes WHERE id = ?`, [other]);
    if (kept === null || gone === null) return undefined;
    const merged = { ...kept, text: `${kept.text}\n\n${gone.text}`.slice(0, TEXT_CHARS_MAX), author, changedAt: Date.now() };
    await tx.execute('UPDATE notes SET text = ?, author = ?, changed_at = ? WHERE id = ?', [merged.text, author, merged.changedAt, id]);
    await tx.execute('UPDATE merges SET into_id = ? WHERE into_id = ?', [id, other]);
    await tx.execute('DELETE FROM notes WHERE id = ?', [other]);
    await tx.execute('INSERT INTO merges (id, into_id) VALUES (?, ?)', [other, id]);
    return merged;
  });
}
