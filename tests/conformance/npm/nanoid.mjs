import { output } from './harness.mjs';
import { customAlphabet, nanoid, urlAlphabet } from 'nanoid';
import { nanoid as insecure } from 'nanoid/non-secure';

export default () => output(async (print) => {
  print(nanoid().length, /^[\w-]{21}$/.test(nanoid()), nanoid(5).length, /^[01]{10}$/.test(customAlphabet('01', 10)()), urlAlphabet.length, insecure().length, new Set(Array.from({ length: 200 }, () => nanoid())).size);
});
