import { output } from './harness.mjs';
import sanitizeHtml from 'sanitize-html';

export default () => output(async (print) => {
  print(sanitizeHtml('<p onclick="x()">hi <script>alert(1)</script><a href="javascript:1">a</a><a href="https://x.y" target="_blank">b</a> <b>c</b><img src=x></p>'), sanitizeHtml('<div class="a b" style="color: red; background: url(x)">t</div>', { allowedTags: ['div'], allowedAttributes: { div: ['class', 'style'] }, allowedStyles: { '*': { color: [/^red$/] } } }), sanitizeHtml('<h1>x</h1>', { transformTags: { h1: 'h2' }, allowedTags: ['h2'] }), sanitizeHtml('a < b & c', { disallowedTagsMode: 'escape' }));
});
