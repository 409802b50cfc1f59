import { output } from './harness.mjs';
import ms from 'ms';

export default () => output(async (print) => {
  for (const value of ['2 days', '1d', '10h', '2.5 hrs', '1m', '5s', '1y', '100', '-3 days', 'nope', 60000, 2 * 60000, -3 * 60000]) print(value, String(ms(value)));
  print(ms(60000, { long: true }), ms(ms('10 hours'), { long: true }));
  try { ms({}); } catch (error) { print(error.message); }
});
