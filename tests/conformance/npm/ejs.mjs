import { output } from './harness.mjs';
import ejs from 'ejs';

export default () => output(async (print) => {
  print(ejs.render('<% for (const x of list) { %><%= x %>|<%- x %>;<% } %><%# c %>', { list: ['<a>', 2] }), await ejs.render('<%= await p %>', { p: Promise.resolve('later') }, { async: true }), ejs.compile('<%= locals.n + 1 -%>\nend')({ n: 1 }), ejs.escapeXML('<&>'));
  try { ejs.render('<%= nope.x %>', {}); } catch (error) { print(error.name, error.message.split('\n').pop()); }
});
