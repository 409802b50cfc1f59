import { output } from './harness.mjs';
import { JSONPath } from 'jsonpath-plus';

export default () => output(async (print) => {
  const json = { store: { book: [{ price: 8, title: 'A' }, { price: 23, title: 'B' }], bicycle: { price: 19 } } };
  print(JSONPath({ path: '$..price', json }), JSONPath({ path: '$.store.book[?(@.price < 10)].title', json }), JSONPath({ path: '$..book[-1:]', json, resultType: 'path' }), JSONPath({ path: '$.store.*', json }).length, JSONPath.toPathArray('$.a[0].b'));
});
