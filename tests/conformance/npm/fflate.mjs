import { output } from './harness.mjs';
import { decompressSync, gunzipSync, gzipSync, strFromU8, strToU8, unzipSync, zipSync, zlibSync } from 'fflate';

export default () => output(async (print) => {
  const bytes = strToU8('fflate fflate '.repeat(30));
  print(strFromU8(gunzipSync(gzipSync(bytes, { mtime: 0 }))) === strFromU8(bytes), zlibSync(bytes).length, strFromU8(decompressSync(zlibSync(strToU8('x'), { level: 9 }))), Object.keys(unzipSync(zipSync({ 'a.txt': strToU8('a'), d: { 'b.txt': strToU8('b') } }, { mtime: '2020-01-01' }))));
});
