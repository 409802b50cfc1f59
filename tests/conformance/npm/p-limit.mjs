import { output } from './harness.mjs';
import pLimit from 'p-limit';

export default () => output(async (print) => {
  const limit = pLimit(2);
  let running = 0, most = 0;
  const job = (n) => limit(async () => { most = Math.max(most, ++running); await new Promise((resolve) => setTimeout(resolve, 3 - n)); running--; return n; });
  print(await Promise.all([0, 1, 2, 1, 0].map(job)), most, limit.activeCount, limit.pendingCount);
});
