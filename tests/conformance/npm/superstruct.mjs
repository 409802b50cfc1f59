import { output } from './harness.mjs';
import { array, assert, coerce, create, defaulted, is, number, object, optional, string, StructError, type } from 'superstruct';

export default () => output(async (print) => {
  const Article = object({ id: number(), title: string(), tags: array(string()), author: optional(type({ id: number() })) });
  assert({ id: 1, title: 'T', tags: ['a'] }, Article);
  print(is({ id: '1' }, Article), create({ title: 'x' }, object({ id: defaulted(number(), () => 7), title: string() })), create('12', coerce(number(), string(), (value) => parseFloat(value))));
  try { assert({ id: 1, title: 2, tags: [3] }, Article); } catch (error) { print(error instanceof StructError, error.message, error.path, [...error.failures()].map((failure) => failure.message)); }
});
