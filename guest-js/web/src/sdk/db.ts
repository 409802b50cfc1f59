// sdk.db: promises over the database operations, and rows as objects. All rules (one statement, types, limits) are the host's.

import type { Outcome, SqlParameters, SqlValue } from '../bindings.ts';
import { native } from '../native.ts';
import { operate, unexpected } from '../operations.ts';
import { defineProperty, freeze, isArray, ObjectPrototype, push } from '../primordials.ts';
import { SdkError } from '../sdk-error.ts';

export type Row = Record<string, SqlValue>;
export interface Changes { changes: number; lastInsertRowid: number | bigint }
export type Statement = string | readonly [sql: string, params?: SqlParameters] | { readonly sql: string; readonly params?: SqlParameters };
export interface Transaction {
  query(sql: string, params?: SqlParameters): Promise<Row[]>;
  queryOne(sql: string, params?: SqlParameters): Promise<Row | null>;
  execute(sql: string, params?: SqlParameters): Promise<Changes>;
  /** The same as `execute`, by the name SQLite's own drivers use. */
  exec(sql: string, params?: SqlParameters): Promise<Changes>;
}

/**
 * The property of each column. As in node:sqlite the last of several columns with the same name has that name; so that none is lost,
 * the ones before it are called `name:1`, `name:2`, … in their order (SQLite's own way of naming them).
 */
function propertyNames(columns: string[]): string[] {
  const names: string[] = [];
  const taken: Record<string, true> = { __proto__: null } as never;
  for (let i = 0; i < columns.length; i++) taken[columns[i] as string] = true;
  const last: Record<string, number> = { __proto__: null } as never;
  for (let i = 0; i < columns.length; i++) last[columns[i] as string] = i;
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as string;
    if (last[column] === i) {
      push(names, column);
      continue;
    }
    let number = 1;
    while (taken[`${column}:${number}`] === true) number++;
    taken[`${column}:${number}`] = true;
    push(names, `${column}:${number}`);
  }
  return names;
}

function toObjects(columns: string[], rows: SqlValue[][]): Row[] {
  const names = propertyNames(columns);
  // A name that Object.prototype knows (`__proto__`, or a setter an applet put there) is defined instead of assigned.
  const inherited: boolean[] = [];
  for (let c = 0; c < names.length; c++) push(inherited, (names[c] as string) in ObjectPrototype);
  const objects: Row[] = [];
  for (let r = 0; r < rows.length; r++) {
    const values = rows[r] as SqlValue[];
    const row: Row = {};
    for (let c = 0; c < names.length; c++) {
      const value = values[c] as SqlValue;
      if (inherited[c] !== true) row[names[c] as string] = value;
      else defineProperty(row, names[c] as string, { __proto__: null, value, writable: true, enumerable: true, configurable: true } as PropertyDescriptor);
    }
    push(objects, row);
  }
  return objects;
}

function toRows(outcome: Outcome): Row[] { return outcome.kind === 'rows' ? toObjects(outcome.columns, outcome.rows) : unexpected(outcome); }

function toRow(outcome: Outcome): Row | null {
  const rows = toRows(outcome);
  return rows.length === 0 ? null : (rows[0] as Row);
}

function toChanges(outcome: Outcome): Changes {
  return outcome.kind === 'changes' ? { changes: outcome.changes, lastInsertRowid: outcome.lastInsertRowid } : unexpected(outcome);
}

function toBatch(outcome: Outcome): Changes[] { return outcome.kind === 'batch' ? outcome.results : unexpected(outcome); }

function toTransaction(outcome: Outcome): number { return outcome.kind === 'transaction' ? outcome.transaction : unexpected(outcome); }

function toEnded(outcome: Outcome): void { if (outcome.kind !== 'ended') unexpected(outcome); }

function statementText(sql: unknown, what: string): string {
  if (typeof sql !== 'string') throw new TypeError(`${what}: the SQL statement must be a string`);
  return sql;
}

function queryIn(sql: string, params: SqlParameters | undefined, transaction: number | undefined): Promise<Row[]> {
  return operate(() => native.dbQuery(statementText(sql, 'query'), params, transaction), toRows);
}

function queryOneIn(sql: string, params: SqlParameters | undefined, transaction: number | undefined): Promise<Row | null> {
  return operate(() => native.dbQueryOne(statementText(sql, 'queryOne'), params, transaction), toRow);
}

function executeIn(sql: string, params: SqlParameters | undefined, transaction: number | undefined): Promise<Changes> {
  return operate(() => native.dbExecute(statementText(sql, 'execute'), params, transaction), toChanges);
}

function startBatch(statements: readonly Statement[]): number {
  if (!isArray(statements)) throw new TypeError('batch: the statements must be an array');
  const sqls: string[] = [];
  const parameters: (SqlParameters | undefined)[] = [];
  for (let i = 0; i < statements.length; i++) {
    const statement = (statements as readonly Statement[])[i] as Statement;
    const what = `batch, statement ${i}`;
    if (typeof statement === 'string') {
      push(sqls, statement);
      push(parameters, undefined);
    } else if (isArray(statement)) {
      push(sqls, statementText(statement[0], what));
      push(parameters, statement[1] as SqlParameters | undefined);
    } else if (typeof statement === 'object' && statement !== null && 'sql' in statement) {
      const object = statement as { sql: string; params?: SqlParameters };
      push(sqls, statementText(object.sql, what));
      push(parameters, object.params);
    } else {
      throw new TypeError(`${what}: give a string, [sql, params] or { sql, params }`);
    }
  }
  return native.dbBatch(sqls, parameters);
}

let transactionIsOpen = false;

/** Commits what `body` did when it returns and rolls it back when it throws. An open transaction is the only one of its invocation. */
async function transaction<T>(body: (tx: Transaction) => T | PromiseLike<T>): Promise<T> {
  if (typeof body !== 'function') throw new TypeError('transaction: give a function');
  if (transactionIsOpen) {
    throw new SdkError({
      capability: 'db', code: 'busy',
      message: 'a transaction of this invocation is already open: use the tx that its function was given, or await it first',
    });
  }
  transactionIsOpen = true;
  try {
    const id = await operate(() => native.dbBegin(), toTransaction);
    let value: T;
    try {
      value = await body(freeze({
        query: (sql: string, params?: SqlParameters) => queryIn(sql, params, id),
        queryOne: (sql: string, params?: SqlParameters) => queryOneIn(sql, params, id),
        execute: (sql: string, params?: SqlParameters) => executeIn(sql, params, id),
        exec: (sql: string, params?: SqlParameters) => executeIn(sql, params, id),
      }));
    } catch (error) {
      try {
        await operate(() => native.dbRollback(id), toEnded);
      } catch {
        // The host rolls an unfinished transaction back by itself; what the applet threw is what its author must see.
      }
      throw error;
    }
    await operate(() => native.dbCommit(id), toEnded);
    return value;
  } finally {
    transactionIsOpen = false;
  }
}

export const db = freeze({
  query: (sql: string, params?: SqlParameters): Promise<Row[]> => queryIn(sql, params, undefined),
  queryOne: (sql: string, params?: SqlParameters): Promise<Row | null> => queryOneIn(sql, params, undefined),
  execute: (sql: string, params?: SqlParameters): Promise<Changes> => executeIn(sql, params, undefined),
  exec: (sql: string, params?: SqlParameters): Promise<Changes> => executeIn(sql, params, undefined),
  batch: (statements: readonly Statement[]): Promise<Changes[]> => operate(() => startBatch(statements), toBatch),
  transaction,
});
