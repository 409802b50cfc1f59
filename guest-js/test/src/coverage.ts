// Counts what is executed, for `--coverage`: the build puts a call of `__belljarHit` before each statement of the author's files.

const hits = new Map<string, number[]>();

function hit(file: string, statement: number): void {
  let counts = hits.get(file);
  if (counts === undefined) hits.set(file, (counts = []));
  counts[statement] = (counts[statement] ?? 0) + 1;
}

Object.defineProperty(globalThis, '__belljarHit', { value: hit, configurable: true });

/** How often each statement was executed since the sandbox's image began, by file. Those that never were may be missing at the end. */
export function executed(): Record<string, number[]> {
  return Object.fromEntries([...hits].map(([file, counts]) => [file, Array.from(counts, (count) => count ?? 0)]));
}
