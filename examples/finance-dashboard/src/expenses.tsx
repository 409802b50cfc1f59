// A table of expenses, on the screen and on paper.

import type { Expense } from './ledger.ts';
import { dayOf, money, textsFor } from './texts.ts';

export function Expenses({ expenses, locale }: { expenses: Expense[]; locale: string }) {
  const texts = textsFor(locale);
  return (
    <table>
      <thead>
        <tr>
          <th>{texts.day}</th>
          <th>{texts.purpose}</th>
          <th>{texts.amount}</th>
        </tr>
      </thead>
      <tbody>
        {expenses.map(({ spentOn, purpose, cents }) => (
          <tr key={`${spentOn} ${purpose}`}>
            <td>{dayOf(locale, spentOn)}</td>
            <td>{purpose}</td>
            <td>{money(locale, cents)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <td colSpan={2} />
          <td>{money(locale, expenses.reduce((sum, expense) => sum + expense.cents, 0))}</td>
        </tr>
      </tfoot>
    </table>
  );
}
