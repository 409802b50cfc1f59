import { output } from './harness.mjs';
import 'core-js/actual/array/group-by.js';
import structuredClone from 'core-js-pure/actual/structured-clone.js';
import Set from 'core-js-pure/actual/set/index.js';
import flatMap from 'core-js-pure/actual/array/flat-map.js';
import URL from 'core-js-pure/actual/url/index.js';

export default () => output(async (print) => {
  print(flatMap([1, 2], (x) => [x, x * 2]), [...new Set([1, 2]).union(new Set([2, 3]))], structuredClone({ a: [new Date(0)] }), new URL('../x?y', 'http://a.b/c/d').href);
});
