import { output } from './harness.mjs';
import { createMemo, createRoot, createSignal } from 'solid-js';
import { escape, renderToString, ssr } from 'solid-js/web';

export default () => output(async (print) => {
  createRoot((dispose) => { const [count, setCount] = createSignal(1); const twice = createMemo(() => count() * 2); setCount(5); print(count(), typeof twice(), typeof dispose); dispose(); });
  print(renderToString(() => ssr(['<p>', '</p>'], escape('<x>'))), escape('a<b&"c"', true));
});
