// `GET /`: every department. What the user may not see is not loaded, so it is neither in the page nor in its data.

import './page.css';
import type { Context, PageProps } from '@belljar/sdk';
import { useId, useState } from 'react';
import { type Department, readDepartments } from './ledger.ts';
import { money, textsFor } from './texts.ts';

interface Props {
  departments: Department[] | null;
}

export async function load({ permissions, sdk }: Context): Promise<Props> {
  return { departments: permissions.includes('finance.read') ? await readDepartments(sdk.db) : null };
}

export default function Dashboard({ departments, page }: PageProps<Props>) {
  const texts = textsFor(page.locale);
  return (
    <main>
      <title>{texts.title}</title>
      <h1>{texts.title}</h1>
      {departments === null ? (
        <p className="refused">{texts.noFigures}</p>
      ) : (
        <>
          <Departments departments={departments} page={page} />
          <a href={`${page.base}/export.csv`}>{texts.download}</a>
        </>
      )}
    </main>
  );
}

/** Comes to life in the browser: the switch chooses the rows. */
function Departments({ departments, page }: { departments: Department[]; page: PageProps['page'] }) {
  const [isOverOnly, setIsOverOnly] = useState(false);
  const checkbox = useId();
  const texts = textsFor(page.locale);
  const shown = departments.filter((department) => !isOverOnly || department.spentCents > department.budgetCents);
  return (
    <section>
      <label htmlFor={checkbox}>
        <input id={checkbox} type="checkbox" checked={isOverOnly} onChange={(event) => setIsOverOnly(event.target.checked)} /> {texts.onlyOver}
      </label>
      <output>{texts.shown(shown.length, departments.length)}</output>
      <table>
        <thead>
          <tr>
            <th>{texts.department}</th>
            <th>{texts.budget}</th>
            <th>{texts.spent}</th>
            <th>{texts.left}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ id, budgetCents, spentCents }) => (
            <tr key={id} className={spentCents > budgetCents ? 'over' : undefined}>
              <td>
                <a href={`${page.base}/reports/${id}`}>{texts.departments[id] ?? id}</a>
              </td>
              <td>{money(page.locale, budgetCents)}</td>
              <td>{money(page.locale, spentCents)}</td>
              <td>{money(page.locale, budgetCents - spentCents)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
