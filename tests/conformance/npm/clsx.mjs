import { output } from './harness.mjs';
import { clsx } from 'clsx';

export default () => output(async (print) => {
  print(clsx('a', { b: true, c: 0 }, ['d', ['e', { f: 1 }]], false, 7));
});
