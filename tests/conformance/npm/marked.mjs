import { output } from './harness.mjs';
import { marked, Marked } from 'marked';

export default () => output(async (print) => {
  const text = '# Title\n\nSome *emphasis*, **strong**, `code` and [link](http://x.y "t").\n\n- a\n- b\n  1. c\n\n> quote\n\n```js\nlet x = 1 < 2;\n```\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n- [x] done\n\n~~gone~~ http://auto.link\n';
  print(marked.parse(text), marked.parseInline('a **b**'), marked.lexer('# x')[0].type);
  const own = new Marked({ renderer: { heading({ tokens, depth }) { return `<h${depth} class="x">${this.parser.parseInline(tokens)}</h${depth}>`; } } });
  print(own.parse('## y'), await marked.parse('*a*', { async: true }));
});
