import { output } from './harness.mjs';
import qs from 'qs';

export default () => output(async (print) => {
  print(qs.parse('a[b][c]=d&e[]=1&e[]=2&f.g=3&h=%20x', { allowDots: true }), qs.stringify({ a: { b: [1, 2, { c: 3 }] }, d: null, e: undefined, f: new Date(0), g: 'ü&' }), qs.stringify({ a: [1, 2] }, { arrayFormat: 'comma', encode: false }), qs.parse('a=1;b=2', { delimiter: ';' }), qs.parse('?a=b', { ignoreQueryPrefix: true }), qs.parse('a=%A7', { charset: 'iso-8859-1' }), qs.stringify({ b: 1, a: 2 }, { sort: (x, y) => x.localeCompare(y) }));
});
