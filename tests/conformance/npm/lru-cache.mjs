import { output } from './harness.mjs';
import { LRUCache } from 'lru-cache';

export default () => output(async (print) => {
  const gone = [];
  const cache = new LRUCache({ max: 2, ttl: 1000, dispose: (value, key, reason) => gone.push([key, reason]), fetchMethod: async (key) => `${key}!` });
  cache.set('a', 1).set('b', 2); cache.get('a'); cache.set('c', 3);
  print([...cache.keys()], cache.has('b'), gone, cache.peek('a'), await cache.fetch('z'), cache.size, cache.delete('z'), [...cache.entries()], cache.dump().length);
});
