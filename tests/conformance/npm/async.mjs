import { output } from './harness.mjs';
import async from 'async';

export default () => output(async (print) => {
  print(await async.mapLimit([1, 2, 3], 2, async (n) => n * 2), await async.parallel({ a: async () => 1, b: (callback) => setTimeout(callback, 1, null, 2) }), await async.waterfall([(next) => next(null, 1), (n, next) => next(null, n + 1)]), await async.auto({ x: async () => 5, y: ['x', async ({ x }) => x + 1] }), await async.reduce([1, 2, 3], 0, async (a, b) => a + b));
  const seen = [];
  const queue = async.queue(async (task) => { seen.push(task); }, 1);
  queue.push(['a', 'b']);
  await queue.drain();
  print(seen, await async.retry({ times: 3 }, (() => { let n = 0; return async () => { if (++n < 3) throw new Error('again'); return n; }; })()), await async.detect([1, 2, 3], async (n) => n > 1), await async.eachSeries([1], async () => { throw new Error('no'); }).catch((error) => error.message));
});
