import { output } from './harness.mjs';
import Handlebars from 'handlebars';

export default () => output(async (print) => {
  Handlebars.registerHelper('loud', (text) => text.toUpperCase());
  Handlebars.registerPartial('row', '<li>{{name}} {{@index}}</li>');
  print(Handlebars.compile('{{#if ok}}{{loud title}}{{else}}no{{/if}}{{#each list}}{{> row}}{{/each}}{{{raw}}}{{esc}}{{#with o}}{{deep.x}}{{../title}}{{/with}}{{#unless ok}}x{{/unless}}{{lookup o "k"}}')({ ok: true, title: 'hi', list: [{ name: 'a' }, { name: 'b' }], raw: '<i>', esc: '<&>', o: { deep: { x: 1 }, k: 'v' } }));
  print(Handlebars.precompile('{{x}}').length > 100, new Handlebars.SafeString('<b>').toString(), Handlebars.compile('{{a.b.c}}|{{#each o}}{{@key}}={{this}},{{/each}}')({ o: { p: 1, q: 2 } }));
  try { Handlebars.compile('{{#if}}')({}); } catch (error) { print(error.message.split('\n')[0]); }
});
