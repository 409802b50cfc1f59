import { output } from './harness.mjs';
import deepmerge from 'deepmerge';

export default () => output(async (print) => {
  print(deepmerge({ a: [1], b: { c: 1 } }, { a: [2], b: { d: 2 } }), deepmerge([1], [2], { arrayMerge: (target, source) => source }), deepmerge.all([{ a: 1 }, { b: 2 }, { a: 3 }]), deepmerge({ d: new Date(0) }, {}));
});
