import { output } from './harness.mjs';
import hljs from 'highlight.js/lib/common';

export default () => output(async (print) => {
  print(hljs.highlight('const x = (a) => `t${a}`; // c\nclass A extends B {}', { language: 'javascript' }).value, hljs.highlight('SELECT * FROM t WHERE a = 1', { language: 'sql' }).value, hljs.highlightAuto('<div class="x">&amp;</div>').language, hljs.getLanguage('py').name, hljs.listLanguages().length);
});
