import { output } from './harness.mjs';
import Bluebird from 'bluebird';

export default () => output(async (print) => {
  print(await Bluebird.map([1, 2, 3], (n) => Bluebird.delay(3 - n).return(n * 2), { concurrency: 2 }), await Bluebird.props({ a: 1, b: Bluebird.resolve(2) }), await Bluebird.resolve([3, 1]).reduce((a, b) => a + b), await Bluebird.delay(20).timeout(2, 'late').catch(Bluebird.TimeoutError, (error) => error.message), await Bluebird.promisify((x, callback) => callback(null, x + 1))(4));
  print(await Bluebird.coroutine(function* () { return (yield Bluebird.resolve(5)) + 1; })(), await Bluebird.try(() => { throw new RangeError('r'); }).catch(RangeError, (error) => error.message), await Bluebird.any([Bluebird.reject(new Error('no')), Bluebird.resolve('any')]), await Bluebird.each([1, 2], () => Bluebird.delay(1)));
});
