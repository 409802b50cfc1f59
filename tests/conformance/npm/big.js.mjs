import { output } from './harness.mjs';
import Big from 'big.js';

export default () => output(async (print) => {
  print(new Big('0.1').plus('0.2').toString(), new Big(1).div(3).toFixed(10), new Big('123.456').times('1e20').toExponential(3), Big(2).pow(64).toString(), Big(2).sqrt().toString(), Big('9.995').round(2, Big.roundHalfEven).toString(), Big(1).cmp(2), JSON.stringify({ b: Big('5.50') }));
  try { Big('x'); } catch (error) { print(error.message); }
});
