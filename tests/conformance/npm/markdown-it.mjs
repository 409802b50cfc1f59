import { output } from './harness.mjs';
import MarkdownIt from 'markdown-it';

export default () => output(async (print) => {
  const md = new MarkdownIt({ html: false, linkify: true, typographer: true, breaks: true });
  print(md.render('# Héading\n\nText "quoted" -- (c) <b>x</b> www.example.com\nline\n\n1. one\n2. two\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n    code\n\n![alt](img.png) [ref]\n\n[ref]: http://r.e/f "T"'), md.renderInline('_x_ ~~y~~'), md.parse('a', {}).map((token) => token.type), md.utils.escapeHtml('<&'));
});
