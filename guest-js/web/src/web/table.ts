// console.table: rows and columns in a frame, as Node draws it.

import { arrayIndexOf, isArray, mapForEach, objectKeys, push, repeat } from '../primordials.ts';
import { inspect } from './inspect.ts';

const ROWS_MAX = 1_000;
const COLUMNS_MAX = 50;

/** The rows of what was given: index and value. */
function rowsOf(data: object): [string, unknown][] {
  const rows: [string, unknown][] = [];
  if (data instanceof Map) {
    mapForEach(data, (value: unknown, key: unknown) => {
      if (rows.length < ROWS_MAX) push(rows, [typeof key === 'string' ? key : inspect(key, 0), value]);
    });
    return rows;
  }
  const keys = objectKeys(data);
  for (let i = 0; i < keys.length && i < ROWS_MAX; i++) push(rows, [keys[i] as string, (data as Record<string, unknown>)[keys[i] as string]]);
  return rows;
}

function line(cells: readonly string[], widths: readonly number[]): string {
  let text = '│';
  for (let i = 0; i < widths.length; i++) {
    const cell = cells[i] ?? '';
    text += ` ${cell}${repeat(' ', (widths[i] as number) - cell.length)} │`;
  }
  return text;
}

function rule(widths: readonly number[], left: string, middle: string, right: string): string {
  let text = left;
  for (let i = 0; i < widths.length; i++) text += (i > 0 ? middle : '') + repeat('─', (widths[i] as number) + 2);
  return text + right;
}

/** Undefined when the data has no rows and columns: it is then logged as it is. */
export function table(data: unknown, only: unknown): string | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const rows = rowsOf(data);
  const columns: string[] = [];
  let values = false;
  for (let i = 0; i < rows.length; i++) {
    const value = (rows[i] as [string, unknown])[1];
    if (typeof value !== 'object' || value === null) {
      values = true;
      continue;
    }
    const keys = objectKeys(value);
    for (let k = 0; k < keys.length && columns.length < COLUMNS_MAX; k++) if (arrayIndexOf(columns, keys[k] as string) < 0) push(columns, keys[k] as string);
  }
  const shown = isArray(only) ? (only as unknown[]).map((name) => `${name as string}`) : columns;
  const head = ['(index)'];
  for (let c = 0; c < shown.length; c++) push(head, shown[c] as string);
  if (values) push(head, 'Values');
  const cells: string[][] = [];
  for (let i = 0; i < rows.length; i++) {
    const [index, value] = rows[i] as [string, unknown];
    const isRow = typeof value === 'object' && value !== null;
    const row = [index];
    for (let c = 0; c < shown.length; c++) {
      const name = shown[c] as string;
      push(row, isRow && Object.hasOwn(value, name) ? inspect((value as Record<string, unknown>)[name], 0) : '');
    }
    if (values) push(row, isRow ? '' : inspect(value, 0));
    push(cells, row);
  }
  const widths: number[] = [];
  for (let c = 0; c < head.length; c++) {
    let width = (head[c] as string).length;
    for (let i = 0; i < cells.length; i++) width = Math.max(width, ((cells[i] as string[])[c] as string).length);
    push(widths, width);
  }
  let text = `${rule(widths, '┌', '┬', '┐')}\n${line(head, widths)}\n${rule(widths, '├', '┼', '┤')}\n`;
  for (let i = 0; i < cells.length; i++) text += `${line(cells[i] as string[], widths)}\n`;
  return text + rule(widths, '└', '┴', '┘');
}
