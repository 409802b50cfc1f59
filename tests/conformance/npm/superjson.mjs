import { output } from './harness.mjs';
import superjson from 'superjson';

export default () => output(async (print) => {
  const value = { date: new Date(0), map: new Map([['a', new Set([1, 2])]]), big: 12345678901234567890n, undef: undefined, re: /x/gi, nan: NaN, url: new URL('https://x.y/'), error: new Error('e') };
  const text = superjson.stringify(value);
  print(text, superjson.parse(text).map.get('a').has(2), superjson.parse(text).date.getTime(), superjson.parse(text).big === value.big, 'undef' in superjson.parse(text));
  const shared = { s: 1 };
  const back = superjson.deserialize(superjson.serialize({ a: shared, b: shared }));
  print(back.a === back.b);
});
