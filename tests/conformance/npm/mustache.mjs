import { output } from './harness.mjs';
import Mustache from 'mustache';

export default () => output(async (print) => {
  print(Mustache.render('{{name}} spends {{{raw}}} {{#items}}<{{.}}>{{/items}}{{^none}}none{{/none}}{{! comment }}{{#f}}{{x}}{{/f}}', { name: '<Joe>', raw: '<b>', items: [1, 2], f: () => (text, render) => `f(${render(text)})`, x: 9 }));
  print(Mustache.render('{{>p}}', { a: 1 }, { p: 'partial {{a}}' }), Mustache.parse('a{{b}}c').map((token) => token[0]));
  try { Mustache.render('{{#a}}', {}); } catch (error) { print(error.message); }
});
