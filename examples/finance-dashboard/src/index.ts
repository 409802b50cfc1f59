// The handlers that are no pages: a file to download, and a department's approval.

import type { HttpHandler } from '@belljar/sdk';
import { approveReport, csvLine, readExpenses } from './ledger.ts';

/** `GET /export.csv`: every expense. */
export const exportCsv: HttpHandler = async ({ sdk }) => {
  const rows = await readExpenses(sdk.db);
  const lines = [['department', 'day', 'purpose', 'eur'], ...rows.map((row) => [row.department, row.spentOn, row.purpose, (row.cents / 100).toFixed(2)])];
  return new Response(lines.map(csvLine).join(''), {
    headers: { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': 'attachment; filename="expenses.csv"' },
  });
};

/** `POST /reports/:id/approve`: only for those who hold `finance.write`, as the manifest says. */
export const approve: HttpHandler = async ({ params, user, sdk, json, notFound }) => {
  const isKnown = await approveReport(sdk.db, params['id'] ?? '', user ?? '');
  return isKnown ? json({ approvedBy: user }) : notFound();
};
