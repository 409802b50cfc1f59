import { output } from './harness.mjs';
import React, { createContext, createElement as h, memo, Suspense, useContext, useId, useMemo, useReducer, useState } from 'react';
import { renderToReadableStream, renderToStaticMarkup, renderToString } from 'react-dom/server';

export default () => output(async (print) => {
  const Theme = createContext('light');
  const Item = memo(({ n }) => h('li', { key: n, 'data-n': n, className: 'i', style: { color: 'red', marginTop: 2 } }, n, '<', useContext(Theme)));
  function App({ list }) {
    const [state] = useState(() => 'state');
    const [count] = useReducer((a) => a, 3);
    const doubled = useMemo(() => list.map((x) => x * 2), [list]);
    return h(Theme.Provider, { value: 'dark' }, h('ul', { id: useId(), hidden: false, tabIndex: 0 }, doubled.map((n) => h(Item, { key: n, n }))), h('p', { dangerouslySetInnerHTML: { __html: '<b>raw</b>' } }), h('input', { defaultValue: 'v', disabled: true }), state, count, null, false, [h(React.Fragment, { key: 1 }, 'frag')]);
  }
  print(renderToString(h(App, { list: [1, 2] })), renderToStaticMarkup(h(App, { list: [3] })));
  const later = new Promise((resolve) => setTimeout(() => resolve('loaded'), 5));
  const Late = () => h('span', null, React.use(later));
  const stream = await renderToReadableStream(h('main', null, h(Suspense, { fallback: 'waiting' }, h(Late))));
  await stream.allReady;
  print((await new Response(stream).text()).includes('<span>loaded</span>'));
  class Old extends React.Component { state = { x: 1 }; static getDerivedStateFromProps(props) { return { y: props.z }; } render() { return h('i', null, this.state.x, this.state.y); } }
  print(renderToStaticMarkup(h(Old, { z: 5 })), React.Children.count([1, 2]), React.isValidElement(h('a')), React.version.split('.')[0]);
  try { renderToString(h(() => { throw new Error('render'); })); } catch (error) { print(error.message); }
});
