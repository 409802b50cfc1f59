import { output } from './harness.mjs';
import validator from 'validator';

export default () => output(async (print) => {
  for (const [name, ...args] of [['isEmail', 'foo@bar.com'], ['isEmail', 'foo@'], ['isURL', 'https://example.com/x?y'], ['isURL', 'nope'], ['isUUID', '550e8400-e29b-41d4-a716-446655440000'], ['isCreditCard', '4111111111111111'], ['isIBAN', 'DE89370400440532013000'], ['isISO8601', '2020-02-30', { strict: true }], ['isJSON', '{"a":1}'],
    ['isIP', '::1'], ['isMobilePhone', '+4915112345678', 'de-DE'], ['isStrongPassword', 'aA1!aaaa'], ['escape', '<a>&"'], ['trim', ' x '], ['normalizeEmail', 'Some.Name+tag@GMAIL.com'], ['toInt', '12px'], ['isBase64', 'Zm9v'], ['isSlug', 'a-b-c'], ['isHexColor', '#ff0'], ['isPostalCode', '12345', 'DE'], ['blacklist', 'a-b', '-']]) print(name, args[0], validator[name](...args));
});
