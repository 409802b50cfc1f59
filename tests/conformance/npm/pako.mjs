import { output } from './harness.mjs';
import * as pako from 'pako';

export default () => output(async (print) => {
  const text = 'hello hello hello '.repeat(20);
  const packed = pako.deflate(text);
  print(packed.length, pako.inflate(packed, { to: 'string' }) === text, pako.ungzip(pako.gzip('zipped'), { to: 'string' }), pako.inflateRaw(pako.deflateRaw(new Uint8Array([1, 2, 3]))).join(), Buffer.from(packed).toString('base64'));
  try { pako.inflate(new Uint8Array([1, 2, 3])); } catch (error) { print(String(error)); }
});
