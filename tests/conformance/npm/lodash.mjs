import { output } from './harness.mjs';
import _ from 'lodash';

export default () => output(async (print) => {
  print(_.chunk([1, 2, 3, 4, 5], 2), _.groupBy(['one', 'two', 'three'], 'length'), _.orderBy([{ a: 1, b: 2 }, { a: 1, b: 1 }, { a: 0, b: 9 }], ['a', 'b'], ['desc', 'asc']), _.merge({ a: [{ b: 1 }] }, { a: [{ c: 2 }] }));
  print(_.cloneDeep({ a: new Map([[1, { b: new Date(0) }]]), r: /x/g }).a.get(1), _.get({ a: [{ b: 5 }] }, 'a[0].b'), _.set({}, 'x.y[2].z', 1), _.isEqual({ a: [1, new Set([2])] }, { a: [1, new Set([2])] }), _.pick({ a: 1, b: 2 }, 'a'), _.omit({ a: 1, b: 2 }, ['a']));
  print(_.template('hi <%= name %>! <% _.forEach(list, (x) => { %><%- x %>,<% }) %>')({ name: 'Bo', list: ['<', '>'] }), _.camelCase('foo bar-baz'), _.kebabCase('fooBar'), _.startCase('--foo-bar--'), _.deburr('déjà vu'), _.padEnd('abc', 6, '_-'), _.words('fred, barney & pebbles'));
  print(_.flow([(x) => x + 1, (x) => x * 2])(3), _.curry((a, b, c) => a + b + c)(1)(2, 3), _.partition([1, 2, 3], (n) => n % 2), _.zipObject(['a', 'b'], [1, 2]), _.range(0, 10, 3), _.uniqBy([2.1, 1.2, 2.3], Math.floor), _.sumBy([{ n: 4 }, { n: 2 }], 'n'), _([1, 2, 3]).map((n) => n * n).filter((n) => n > 1).value());
  const calls = [];
  const later = _.debounce((x) => calls.push(x), 5);
  later(1); later(2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const once = _.once(() => calls.push('once')); once(); once();
  print(calls, _.memoize((x) => x * 2)(4), _.isPlainObject(new (class X {})()), _.isBuffer(Buffer.from('x')), _.isTypedArray(new Uint8Array(1)), _.escape('<&>'), _.defaultsDeep({ a: { b: 1 } }, { a: { b: 2, c: 3 } }));
});
