import { output } from './harness.mjs';
import { decodeTime, isValid, monotonicFactory, ulid } from 'ulid';

export default () => output(async (print) => {
  print(ulid().length, decodeTime(ulid(1469918176385)), ulid(1469918176385).slice(0, 10), isValid('x'));
  const next = monotonicFactory();
  const [a, b] = [next(150000), next(150000)];
  print(a < b, a.slice(0, 10), isValid(a));
});
