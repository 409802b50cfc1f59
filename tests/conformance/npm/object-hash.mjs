import { output } from './harness.mjs';
import hash from 'object-hash';

export default () => output(async (print) => {
  print(hash({ a: 1, b: [2, { c: 3 }] }), hash({ b: [2, { c: 3 }], a: 1 }), hash('x', { algorithm: 'md5', encoding: 'base64' }), hash([1, 'x', null, undefined, new Date(0), /r/, 1n]), hash.MD5({ a: 1 }), hash.keys({ a: 2 }), hash(new Set([1, 2]), { unorderedSets: true }));
});
