import { output } from './harness.mjs';
import * as R from 'ramda';

export default () => output(async (print) => {
  const total = R.pipe(R.filter(R.propEq(true, 'on')), R.map(R.prop('n')), R.sum);
  print(total([{ on: true, n: 2 }, { on: false, n: 3 }, { on: true, n: 5 }]), R.groupBy(R.length, ['a', 'bb', 'cc']), R.assocPath(['a', 'b', 0], 1, {}), R.evolve({ a: R.inc, b: { c: R.toUpper } }, { a: 1, b: { c: 'x' } }), R.zip([1, 2], ['a', 'b']));
  print(R.equals({ a: [1, new Date(0)] }, { a: [1, new Date(0)] }), R.over(R.lensPath(['x', 'y']), R.negate, { x: { y: 4 } }), R.transduce(R.compose(R.map(R.add(1)), R.take(2)), R.flip(R.append), [], [1, 2, 3]), R.sortWith([R.descend(R.prop('a')), R.ascend(R.prop('b'))])([{ a: 1, b: 2 }, { a: 2, b: 1 }, { a: 1, b: 1 }]), R.cond([[R.equals(0), R.always('zero')], [R.T, (n) => `n${n}`]])(5), R.toString({ a: [1, 'x', null] }));
});
