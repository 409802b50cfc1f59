import { output } from './harness.mjs';
import { camelCase, countBy, debounce, difference, intersectionWith, isEqual, mapValues, sortBy, template, throttle, uniq } from 'lodash-es';

export default () => output(async (print) => {
  print(camelCase('Foo Bar'), countBy([6.1, 4.2, 6.3], Math.floor), difference([2, 1], [2, 3]), intersectionWith([{ x: 1 }], [{ x: 1 }, { y: 2 }], isEqual), mapValues({ a: 1, b: 2 }, (n) => n * 3), sortBy([{ n: 2 }, { n: 1 }], 'n'), template('<%= a %>')({ a: 1 }), uniq([1, 1, 2]));
  const seen = [];
  const throttled = throttle((x) => seen.push(x), 10);
  throttled(1); throttled(2); throttled(3);
  await new Promise((resolve) => setTimeout(resolve, 40));
  print(seen, typeof debounce(() => {}).cancel);
});
