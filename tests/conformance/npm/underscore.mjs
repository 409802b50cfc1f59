import { output } from './harness.mjs';
import _ from 'underscore';

export default () => output(async (print) => {
  print(_.map({ a: 1, b: 2 }, (value, key) => key + value), _.reduceRight([[0, 1], [2, 3]], (a, b) => a.concat(b), []), _.where([{ a: 1 }, { a: 2 }], { a: 2 }), _.indexBy([{ id: 1, n: 'x' }], 'id'), _.chain([3, 1, 2]).sortBy().first(2).value(), _.template('<%= x %>|<%- x %>')({ x: '<b>' }), _.isEqual([1, { a: 2 }], [1, { a: 2 }]), _.escape('<>'), _.object(['a'], [1]));
});
