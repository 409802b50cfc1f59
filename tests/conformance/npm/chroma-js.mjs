import { output } from './harness.mjs';
import chroma from 'chroma-js';

export default () => output(async (print) => {
  print(chroma('hotpink').hex(), chroma('#ff3399').hsl().map((n) => +n.toFixed(3)), chroma.mix('red', 'blue', 0.5, 'lab').hex(), chroma.scale(['yellow', 'navy']).mode('lch').colors(5), chroma.contrast('white', 'black'), chroma('red').darken().css(), chroma.valid('nope'), chroma.distance('#fff', '#000').toFixed(2), chroma('#123456').luminance().toFixed(6), chroma('teal').set('hsl.h', 0).name());
});
