import { output } from './harness.mjs';
import { current, enableMapSet, enablePatches, produce, produceWithPatches, applyPatches } from 'immer';

export default () => output(async (print) => {
  enableMapSet(); enablePatches();
  const base = { list: [{ done: false }, { done: true }], map: new Map([['k', 1]]), set: new Set([1]) };
  const next = produce(base, (draft) => { draft.list[0].done = true; draft.list.push({ done: false }); draft.map.set('z', 2); draft.set.delete(1); print(current(draft).list.length); });
  print(base.list[0].done, next.list, next.list[1] === base.list[1], [...next.map], [...next.set], Object.isFrozen(next));
  const [result, patches, inverse] = produceWithPatches({ a: { b: 1 } }, (draft) => { draft.a.b = 2; draft.c = [1]; });
  print(result, patches, inverse, applyPatches(result, inverse), produce((draft, n) => { draft.n += n; })({ n: 1 }, 5));
});
