import { output } from './harness.mjs';
import Hashids from 'hashids';

export default () => output(async (print) => {
  const ids = new Hashids('salt', 8);
  print(ids.encode(1, 2, 3), ids.decode(ids.encode(1, 2, 3)), ids.encodeHex('507f1f77bcf86cd799439011'), ids.decodeHex(ids.encodeHex('abc')), new Hashids('', 0, 'abcdefghijklmnop').encode(347), ids.decode('nope'));
});
