// The ledger in the database. Nothing of this file reaches a browser: pages use it in load() alone.

import type { Database } from '@belljar/sdk';

export interface Department {
  id: string;
  budgetCents: number;
  spentCents: number;
  approvedBy: string | null;
}

export interface Expense {
  department: string;
  spentOn: string;
  purpose: string;
  cents: number;
}

const DEPARTMENTS = `SELECT d.id, d.budget_cents AS budgetCents, d.approved_by AS approvedBy, coalesce(sum(e.cents), 0) AS spentCents
  FROM departments d LEFT JOIN expenses e ON e.department = d.id`;

export function readDepartments(db: Database): Promise<Department[]> {
  return db.query<Department>(`${DEPARTMENTS} GROUP BY d.id ORDER BY d.id`);
}

export function readDepartment(db: Database, id: string): Promise<Department | null> {
  return db.queryOne<Department>(`${DEPARTMENTS} WHERE d.id = ? GROUP BY d.id`, [id]);
}

/** Of one department, or of all. */
export function readExpenses(db: Database, department?: string): Promise<Expense[]> {
  const sql = `SELECT department, spent_on AS spentOn, purpose, cents FROM expenses
    WHERE department = ?1 OR ?1 IS NULL ORDER BY spent_on, id`;
  return db.query<Expense>(sql, [department ?? null]);
}

/** Whether there is such a department. */
export async function approveReport(db: Database, department: string, user: string): Promise<boolean> {
  const { changes } = await db.execute('UPDATE departments SET approved_by = ? WHERE id = ?', [user, department]);
  return changes === 1;
}

/** RFC 4180, section 2. A value that a spreadsheet would take for a formula is kept from being one. */
export function csvLine(values: readonly string[]): string {
  const quoted = (value: string) => `"${(/^[=+@\t\r-]/.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`;
  return `${values.map(quoted).join(',')}\r\n`;
}
