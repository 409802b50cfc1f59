import { output } from './harness.mjs';
import he from 'he';

export default () => output(async (print) => {
  print(he.encode('foo © bar ≠ baz 𝌆 qux <>'), he.encode('ü', { useNamedReferences: true }), he.decode('foo &copy; bar &ne; baz &#x1D306; &amp;amp; &notit;'), he.escape('<a href="x">'), he.decode('foo&ampbar', { isAttributeValue: true }));
});
