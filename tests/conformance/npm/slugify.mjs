import { output } from './harness.mjs';
import slugify from 'slugify';

export default () => output(async (print) => {
  print(slugify('some string'), slugify('Déjà Vu! & Más ñ', { lower: true, strict: true }), slugify('a b', '_'), slugify('Ünïcödé ß', { locale: 'de' }), slugify('100% €', { remove: /[%]/g }));
});
