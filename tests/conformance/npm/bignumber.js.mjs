import { output } from './harness.mjs';
import BigNumber from 'bignumber.js';

export default () => output(async (print) => {
  print(new BigNumber('0.1').plus(0.2).toString(), new BigNumber('123456789.123456789').toFormat(3), new BigNumber(255).toString(16), new BigNumber('1e+30').idiv(7).toFixed(), new BigNumber(2).exponentiatedBy(100).toFixed(), BigNumber.sum(1, 2, 3).toNumber(), new BigNumber('zz', 36).toString(), new BigNumber(2).sqrt().dp(20).toString(), new BigNumber(NaN).isNaN());
});
