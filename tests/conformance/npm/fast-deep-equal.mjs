import { output } from './harness.mjs';
import equal from 'fast-deep-equal';
import es6 from 'fast-deep-equal/es6/index.js';

export default () => output(async (print) => {
  print(equal({ a: [1, { b: null }] }, { a: [1, { b: null }] }), equal([1], [2]), equal(/a/g, /a/g), equal(NaN, NaN), equal({ a: undefined }, {}), es6(new Map([[1, 2]]), new Map([[1, 2]])), es6(new Set([1]), new Set([2])), es6(new Uint8Array([1]), new Uint8Array([1])));
});
