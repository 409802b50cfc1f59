import { output } from './harness.mjs';
import PQueue from 'p-queue';

export default () => output(async (print) => {
  const queue = new PQueue({ concurrency: 1 });
  const order = [];
  queue.add(async () => { await new Promise((resolve) => setTimeout(resolve, 2)); order.push('first'); });
  queue.add(() => order.push('low'), { priority: 0 });
  queue.add(() => order.push('high'), { priority: 5 });
  print(queue.size, queue.pending);
  await queue.onIdle();
  print(order, await queue.add(() => 'value'), await queue.addAll([async () => 1, async () => 2]), await queue.add(() => { throw new Error('x'); }).catch((error) => error.message));
});
