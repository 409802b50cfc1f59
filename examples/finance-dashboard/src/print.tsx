// `GET /reports/:id/print`: for paper. Nothing comes to life, so no script and no data are sent (`hydrate: false`).

import './page.css';
import './print.css';
import type { PageProps } from '@belljar/sdk';
import { Expenses } from './expenses.tsx';
import type { Department, Expense } from './ledger.ts';
import { textsFor } from './texts.ts';

export { load } from './report.tsx';

export default function Print({ department, expenses, page }: PageProps<{ department: Department; expenses: Expense[] }>) {
  const texts = textsFor(page.locale);
  return (
    <main>
      <title>{texts.title}</title>
      <h1>{texts.departments[department.id] ?? department.id}</h1>
      <Expenses expenses={expenses} locale={page.locale} />
    </main>
  );
}
