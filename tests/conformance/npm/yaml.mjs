import { output } from './harness.mjs';
import YAML from 'yaml';

export default () => output(async (print) => {
  print(YAML.parse('a: 1\nb: [x, {y: 2}]\nc: "\\u00e9"\nd: >\n  folded\n  text\n'), YAML.stringify({ a: [1, { b: 'x: y' }], long: 'w '.repeat(60) }));
  const doc = YAML.parseDocument('# comment\nkey: value # trailing\nlist:\n  - 1\n');
  doc.set('added', [true, null]);
  print(String(doc), doc.errors.length, doc.get('key'), YAML.parseDocument('a: [').errors.map((error) => error.code));
});
