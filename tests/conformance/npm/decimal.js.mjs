import { output } from './harness.mjs';
import Decimal from 'decimal.js';

export default () => output(async (print) => {
  print(new Decimal('0.1').plus('0.2').toString(), Decimal.sqrt(2).toString(), new Decimal(2).pow('0.5').toFixed(15), Decimal.exp(1).toString(), new Decimal('0xff.8').toString(), new Decimal(1).div(3).toSD(5).toString(), Decimal.sin(1).toString(), Decimal.max(1, '3', 2).toString(), new Decimal('1e500').toString(), new Decimal(5).mod(3).toString(), new Decimal('123.456').toFraction().toString());
});
