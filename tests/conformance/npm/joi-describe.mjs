import { output } from './harness.mjs';
import Joi from 'joi';

export default () => output(async (print) => {
  print(Joi.object({ birth: Joi.number().integer().min(1900) }).describe());
});
