import { output } from './harness.mjs';
import Joi from 'joi';

export default () => output(async (print) => {
  const schema = Joi.object({ username: Joi.string().alphanum().min(3).max(30).required(), birth: Joi.number().integer().min(1900).max(2013), email: Joi.string().email({ tlds: { allow: false } }), when: Joi.date().iso(), ids: Joi.array().items(Joi.number()) }).with('username', 'birth');
  print(schema.validate({ username: 'abc', birth: 1994, when: '2020-01-01T00:00:00Z', ids: ['1', 2] }));
  const { error } = schema.validate({ username: 'a!', birth: 1800, ids: ['x'] }, { abortEarly: false });
  print(error.name, error.details.map((detail) => [detail.type, detail.message, detail.path]));
  print(schema.validate({}).error.message, await schema.validateAsync({ username: 'abc', birth: 2000 }), Joi.attempt('5', Joi.number()));
});
