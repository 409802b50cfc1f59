// What a script prints, as one text: the same in Node and in a sandbox. Texts are printed as they are, other values as JSON that also
// shows what JSON has no word for.

function shown(key, value) {
  if (typeof value === 'bigint') return `${value}n`;
  if (value === undefined) return 'undefined';
  if (typeof value === 'number' && !Number.isFinite(value)) return `${value}`;
  if (value instanceof Map) return { Map: [...value] };
  if (value instanceof Set) return { Set: [...value] };
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return value;
}

export async function output(run) {
  const lines = [];
  await run((...values) => void lines.push(values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value, shown))).join(' ')));
  if (lines.length === 0) throw new Error('nothing was printed');
  return `${lines.join('\n')}\n`;
}
