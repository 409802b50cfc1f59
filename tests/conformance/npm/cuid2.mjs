import { output } from './harness.mjs';
import { createId, init, isCuid } from '@paralleldrive/cuid2';

export default () => output(async (print) => {
  print(createId().length, isCuid(createId()), isCuid('!'), init({ length: 10, random: () => 0.5, fingerprint: 'x' })().length, new Set(Array.from({ length: 50 }, () => createId())).size);
});
