import { output } from './harness.mjs';
import { parse } from 'csv-parse/sync';

export default () => output(async (print) => {
  print(parse('a,b\n1,"x, ""y"""\n2,z', { columns: true, cast: true }), parse('a|b\n#c\n1|2', { delimiter: '|', comment: '#' }), parse(Buffer.from('ü,ö'), { encoding: 'utf8' }), parse(' a , b ', { trim: true }));
  try { parse('a,"b', {}); } catch (error) { print(error.code, error.message); }
});
