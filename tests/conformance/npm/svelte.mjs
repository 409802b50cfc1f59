import { output } from './harness.mjs';
import { derived, get, readable, writable } from 'svelte/store';
import { render } from 'svelte/server';

export default () => output(async (print) => {
  const count = writable(1);
  const twice = derived(count, ($count) => $count * 2);
  const seen = [];
  const stop = twice.subscribe((value) => seen.push(value));
  count.set(2); count.update((n) => n + 3);
  stop();
  count.set(9);
  print(seen, get(twice), get(readable(7)));
  // A component as the compiler writes it for the server.
  const Component = ($$renderer, props) => { $$renderer.push(`<p>${props.name}</p>`); };
  print(render(Component, { props: { name: 'svelte' } }).body.replace(/<!--.*?-->/g, ''));
});
