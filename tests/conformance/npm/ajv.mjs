import { output } from './harness.mjs';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

export default () => output(async (print) => {
  // Ajv compiles schemas by `new Function`, as Node does.
  const ajv = new Ajv({ allErrors: true });
  addFormats(ajv);
  const validate = ajv.compile({ type: 'object', properties: { foo: { type: 'integer' }, bar: { type: 'string', format: 'email' }, list: { type: 'array', items: { $ref: '#/$defs/item' }, uniqueItems: true } }, required: ['foo'], additionalProperties: false, $defs: { item: { enum: ['a', 'b'] } } });
  print(validate({ foo: 1, bar: 'a@b.co', list: ['a', 'b'] }), validate({ bar: 'x', baz: 1, list: ['a', 'a', 'c'] }), validate.errors.map((error) => [error.instancePath, error.keyword, error.message]));
  print(ajv.errorsText(validate.errors), ajv.validate({ type: 'string', format: 'date-time' }, '2020-01-01T00:00:00Z'), ajv.validate({ type: 'string', format: 'uuid' }, 'x'));
  try { ajv.compile({ type: 'nope' }); } catch (error) { print(error.message); }
});
