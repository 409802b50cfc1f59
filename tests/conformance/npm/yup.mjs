import { output } from './harness.mjs';
import * as yup from 'yup';

export default () => output(async (print) => {
  const schema = yup.object({ name: yup.string().required(), age: yup.number().required().positive().integer(), email: yup.string().email(), site: yup.string().url().nullable(), on: yup.date().default(() => new Date(0)) });
  print(await schema.validate({ name: 'jimmy', age: '24' }), schema.cast({ name: 5, age: '7', on: '2020-01-01' }));
  print(await schema.validate({ age: -1.5, email: 'x' }, { abortEarly: false }).catch((error) => [error.name, error.errors]));
  print(await schema.isValid({ name: 'a', age: 1 }), yup.reach(schema, 'age').type, schema.describe().fields.name);
});
