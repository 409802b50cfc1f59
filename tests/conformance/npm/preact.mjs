import { output } from './harness.mjs';
import { Component, createContext, Fragment, h } from 'preact';
import { useContext, useMemo, useState } from 'preact/hooks';
import render from 'preact-render-to-string';
import { renderToStringAsync } from 'preact-render-to-string';

export default () => output(async (print) => {
  const Theme = createContext('light');
  const Item = ({ n }) => h('li', { class: 'x', style: { color: 'red' } }, n, useContext(Theme), useMemo(() => n * 2, [n]));
  class Old extends Component { state = { a: 1 }; render() { return h('b', { onClick() {} }, this.state.a, this.props.children); } }
  print(render(h(Theme.Provider, { value: 'dark' }, h('ul', null, [1, 2].map((n) => h(Item, { n }))), h(Old, null, '<child>'), h(Fragment, null, 'f'), h('input', { disabled: true, value: 'q"' }))));
  const Stateful = () => { const [x] = useState('s'); return h('p', null, x); };
  print(await renderToStringAsync(h(Stateful)), render(h('div', { dangerouslySetInnerHTML: { __html: '<i>' } })));
});
