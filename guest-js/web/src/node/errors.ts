// Errors as Node throws them: a code, and the same words, because programs look at both. Also the checks of arguments that throw them.

import { inspect } from '../web/inspect.ts';

type ErrorClass = new (message: string) => Error;

/** An error with a code, whose stack begins with `Name [CODE]` as Node's does. */
export function codedError(Class: ErrorClass, code: string, message: string): Error & { code: string } {
  const error = new Class(message) as Error & { code: string };
  error.code = code;
  Object.defineProperty(error, 'toString', {
    value: function toString(this: Error): string { return `${this.name} [${code}]: ${this.message}`; }, enumerable: false, writable: true, configurable: true,
  });
  return error;
}

/** What a value is, in the words of ERR_INVALID_ARG_TYPE. */
export function received(value: unknown): string {
  if (value === undefined || value === null) return ` Received ${value as null}`;
  if (typeof value === 'function') return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
    return typeof name === 'string' && name !== '' ? ` Received an instance of ${name}` : ` Received ${inspect(value, -1)}`;
  }
  let text = inspect(value);
  if (text.length > 28) text = `${text.slice(0, 25)}...`;
  return ` Received type ${typeof value} (${text})`;
}

const PRIMITIVES = ['string', 'function', 'number', 'object', 'boolean', 'bigint', 'symbol'];

function listed(names: readonly string[], word: string): string {
  return names.length < 3 ? names.join(` ${word} `) : `${names.slice(0, -1).join(', ')}, ${word} ${names[names.length - 1] as string}`;
}

/** `expected`: names of types (in lower case) and of classes. */
export function invalidType(name: string, expected: string | readonly string[], value: unknown): Error {
  const all = typeof expected === 'string' ? [expected] : expected;
  // Beside classes, an object is one of them; alone or beside other types, it is a type.
  const isClass = (one: string): boolean => /^[A-Z]/.test(one);
  const types = all.filter((one) => PRIMITIVES.includes(one) && (one !== 'object' || !all.some(isClass)));
  const classes = all.filter(isClass);
  const others = all.filter((one) => !types.includes(one) && !classes.includes(one));
  const what = name.endsWith(' argument') ? `The ${name}` : `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`;
  const parts: string[] = [];
  if (types.length > 0) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${listed(types, 'or')}`);
  if (classes.length > 0 || others.includes('object')) {
    const instances = others.includes('object') ? [...classes, 'Object'] : classes;
    parts.push(`an instance of ${listed(instances, 'or')}`);
  }
  for (const other of others) if (other !== 'object') parts.push(other);
  return codedError(TypeError, 'ERR_INVALID_ARG_TYPE', `${what} must be ${parts.join(' or ')}.${received(value)}`);
}

export function invalidValue(name: string, value: unknown, reason = 'is invalid'): Error {
  let text = inspect(value);
  if (text.length > 128) text = `${text.slice(0, 128)}...`;
  return codedError(TypeError, 'ERR_INVALID_ARG_VALUE', `The ${name.includes('.') ? 'property' : 'argument'} '${name}' ${reason}. Received ${text}`);
}

function grouped(digits: string): string {
  let text = '';
  let at = digits.length;
  const start = digits.startsWith('-') ? 1 : 0;
  for (; at >= start + 4; at -= 3) text = `_${digits.slice(at - 3, at)}${text}`;
  return digits.slice(0, at) + text;
}

export function outOfRange(name: string, range: string, value: unknown): Error {
  let text = inspect(value);
  if (typeof value === 'bigint') text = value > 2n ** 32n || value < -(2n ** 32n) ? `${grouped(`${value}`)}n` : `${value}n`;
  else if (Number.isInteger(value) && Math.abs(value as number) > 2 ** 32) text = grouped(`${value as number}`);
  return codedError(RangeError, 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be ${range}. Received ${text}`);
}

export function checkString(value: unknown, name: string): asserts value is string { if (typeof value !== 'string') throw invalidType(name, 'string', value); }

export function checkFunction(value: unknown, name: string): asserts value is (...args: never[]) => unknown {
  if (typeof value !== 'function') throw invalidType(name, 'function', value);
}

export function checkObject(value: unknown, name: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidType(name, 'object', value);
}

export function checkNumber(value: unknown, name: string): asserts value is number { if (typeof value !== 'number') throw invalidType(name, 'number', value); }

export function checkInteger(value: unknown, name: string, least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER): asserts value is number {
  checkNumber(value, name);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
}

/** What a sandbox cannot do: said when it is called, so that code that only imports it still runs. */
export function unavailable(what: string, instead: string): (...args: unknown[]) => never {
  return () => {
    throw codedError(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', `${what} is not there in a sandbox: ${instead}`);
  };
}
