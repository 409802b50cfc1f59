import { output } from './harness.mjs';
import Papa from 'papaparse';

export default () => output(async (print) => {
  print(Papa.parse('a,b\n1,"x, ""y"""\n2,z\n', { header: true, dynamicTyping: true, skipEmptyLines: true }), Papa.unparse([{ a: 1, b: 'x,"y"' }, { a: 2, b: null }]), Papa.parse('a;b\n1;2').meta.delimiter, Papa.parse('a,b\n1', { header: true }).errors);
  const rows = [];
  Papa.parse('1,2\n3,4', { step: (row) => rows.push(row.data) });
  print(rows);
});
