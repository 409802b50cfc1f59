import { output } from './harness.mjs';
import { NIL, parse, stringify, v1, v3, v4, v5, v7, validate, version } from 'uuid';

export default () => output(async (print) => {
  print(v5('hello', v5.DNS), v3('hello', v3.URL), NIL, validate(v4()), version(v4()), version(v1()), version(v7()), v7({ msecs: 1700000000000, seq: 1, random: new Uint8Array(16).fill(7) }), v4({ random: new Uint8Array(16).fill(255) }));
  print([...parse('6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b')], stringify(parse(v5('a', v5.DNS))), validate('nope'), new Set(Array.from({ length: 100 }, () => v4())).size);
});
