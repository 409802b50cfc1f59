// A page of a hundred rows, from nothing but itself: what is measured is rendering (`belljar-bench processes PACKAGE`).

import { useId, useState } from 'react';

interface Row { id: number; name: string; city: string; total: number; tags: string[] }

export function load(): { rows: Row[] } {
  const cities = ['Vienna', 'Graz', 'Linz', 'Salzburg'];
  const row = (_: unknown, id: number): Row => ({ id, name: `Customer ${id}`, city: cities[id % 4] as string, total: (id * 7919) % 1000, tags: id % 3 === 0 ? ['late', 'eu'] : ['eu'] });
  return { rows: Array.from({ length: 100 }, row) };
}

function Line({ row }: { row: Row }) {
  return (
    <tr className={row.total > 500 ? 'high' : 'low'}>
      <td>{row.id}</td>
      <td><a href={`/customers/${row.id}`}>{row.name}</a></td>
      <td>{row.city}</td>
      <td>{row.total.toFixed(2)}</td>
      <td>{row.tags.map((tag) => <span key={tag} className="tag">{tag}</span>)}</td>
    </tr>
  );
}

export default function Table({ rows }: { rows: Row[] }) {
  const [isHigh, setHigh] = useState(false);
  const id = useId();
  return (
    <main>
      <title>Customers</title>
      <label htmlFor={id}>Only high</label>
      <input id={id} type="checkbox" checked={isHigh} onChange={() => setHigh(!isHigh)} />
      <table>
        <thead><tr><th>Id</th><th>Name</th><th>City</th><th>Total</th><th>Tags</th></tr></thead>
        <tbody>{rows.filter((row) => !isHigh || row.total > 500).map((row) => <Line key={row.id} row={row} />)}</tbody>
      </table>
    </main>
  );
}
