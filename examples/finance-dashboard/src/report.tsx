// `GET /reports/:id`: one department. The host lets nobody in without finance.read; the button is there for finance.write.

import './page.css';
import type { Context, PageProps } from '@belljar/sdk';
import { useState } from 'react';
import { Expenses } from './expenses.tsx';
import { type Department, type Expense, readDepartment, readExpenses } from './ledger.ts';
import { textsFor } from './texts.ts';

interface Props {
  department: Department;
  expenses: Expense[];
}

export async function load({ params, sdk, notFound }: Context): Promise<Props | Response> {
  const department = await readDepartment(sdk.db, params['id'] ?? '');
  if (department === null) return notFound();
  return { department, expenses: await readExpenses(sdk.db, department.id) };
}

export default function Report({ department, expenses, page }: PageProps<Props>) {
  const texts = textsFor(page.locale);
  const name = texts.departments[department.id] ?? department.id;
  return (
    <main>
      <title>{`${texts.title}: ${name}`}</title>
      <h1>{name}</h1>
      <Expenses expenses={expenses} locale={page.locale} />
      <Approval department={department} page={page} />
      <nav>
        <a href={`${page.base}/`}>{texts.back}</a> <a href={`${page.base}/reports/${department.id}/print`}>{texts.print}</a>
      </nav>
    </main>
  );
}

function Approval({ department, page }: { department: Department; page: PageProps['page'] }) {
  const [approvedBy, setApprovedBy] = useState(department.approvedBy);
  const [failure, setFailure] = useState<number>();
  const texts = textsFor(page.locale);
  const approve = async () => {
    const response = await fetch(`${page.base}/reports/${department.id}/approve`, { method: 'POST' });
    if (response.ok) setApprovedBy((await response.json()).approvedBy);
    setFailure(response.ok ? undefined : response.status);
  };
  if (approvedBy !== null) return <p className="approved">{texts.approvedBy(approvedBy)}</p>;
  if (!page.permissions.includes('finance.write')) return null;
  return (
    <p>
      <button type="button" onClick={approve}>
        {texts.approve}
      </button>
      {failure !== undefined && <span className="refused">{texts.failed(failure)}</span>}
    </p>
  );
}
