import { output } from './harness.mjs';
import classNames from 'classnames';
import bind from 'classnames/bind.js';

export default () => output(async (print) => {
  print(classNames('a', { b: true, c: false }, ['d', { e: 1 }], null, 5, undefined), bind.bind({ a: 'x1' })('a', 'b'));
});
