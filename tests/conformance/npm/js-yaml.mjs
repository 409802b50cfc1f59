import { output } from './harness.mjs';
import * as yaml from 'js-yaml';

export default () => output(async (print) => {
  print(yaml.load('a: 1\nb:\n  - x\n  - {y: 2.5, z: null}\nc: &anchor\n  d: true\ne: *anchor\nf: |\n  lines\n  of text\ng: 2001-12-14T21:59:43.10-05:00\n'), yaml.dump({ a: [1, { b: 'x: y' }], c: 'multi\nline', d: new Date(0), e: null }), yaml.loadAll('a: 1\n---\nb: 2').length);
  try { yaml.load('a: [1'); } catch (error) { print(error.name, error.message); }
});
