// node:assert: assertions that throw AssertionError. Messages say what Node's say; a difference of two values is shown line by line.

import { once } from '../lazy.ts';
import { inspect } from '../web/inspect.ts';
import { isDeepEqual } from './equal.ts';
import { checkFunction, codedError, invalidType, invalidValue, received } from './errors.ts';
import { utilTypes } from './types.ts';

type Fn = (...args: never[]) => unknown;
interface Failure { message?: string | undefined; actual?: unknown; expected?: unknown; operator: string; generated?: boolean }

const TITLES: Record<string, string> = {
  __proto__: null,
  deepStrictEqual: 'Expected values to be strictly deep-equal:', strictEqual: 'Expected values to be strictly equal:',
  strictEqualObject: 'Expected "actual" to be reference-equal to "expected":', deepEqual: 'Expected values to be loosely deep-equal:',
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:', notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notStrictEqualObject: 'Expected "actual" not to be reference-equal to "expected":', notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
  notIdentical: 'Values have same structure but are not reference-equal:',
} as never;

function show(value: unknown): string { return inspect(value, { compact: false, depth: 1000, maxArrayLength: null, maxStringLength: null, sorted: true }); }

function isPrimitive(value: unknown): boolean { return (typeof value !== 'object' || value === null) && typeof value !== 'function'; }

/** What two texts do not share, between what they do; context of at most two lines. */
function difference(actual: string, expected: string): string {
  const [left, right] = [actual.split('\n'), expected.split('\n')];
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let end = 0;
  while (end < left.length - start && end < right.length - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end++;
  const lines: string[] = [];
  const context = (line: string): void => void lines.push(`  ${line}`);
  if (start > 3) lines.push('...');
  left.slice(start > 3 ? start - 2 : 0, start).forEach(context);
  for (const line of left.slice(start, left.length - end)) lines.push(`+ ${line}`);
  for (const line of right.slice(start, right.length - end)) lines.push(`- ${line}`);
  left.slice(left.length - end, end > 3 ? left.length - end + 2 : undefined).forEach(context);
  if (end > 3) lines.push('...');
  return lines.join('\n');
}

function generated({ actual, expected, operator }: Failure, given?: string): string {
  const title = given ?? TITLES[operator];
  if (operator === 'deepStrictEqual' || operator === 'strictEqual') {
    if (operator === 'strictEqual' && isPrimitive(actual) && isPrimitive(expected) && (typeof actual !== 'string' || `${actual}${expected as string}`.length < 60)) {
      return `${title as string}\n\n${inspect(actual)} !== ${inspect(expected)}\n`;
    }
    const [left, right] = [show(actual), show(expected)];
    if (left === right) return `${given ?? (TITLES['notIdentical'] as string)}\n\n${left}\n`;
    const heading = given === undefined && operator === 'strictEqual' && !isPrimitive(actual) && !isPrimitive(expected) ? TITLES['strictEqualObject'] : title;
    return `${heading as string}\n+ actual - expected\n\n${difference(left, right)}`;
  }
  if (operator === 'notDeepStrictEqual' || operator === 'notStrictEqual') {
    const heading = operator === 'notStrictEqual' && !isPrimitive(actual) ? TITLES['notStrictEqualObject'] : title;
    const text = show(actual);
    return text.includes('\n') ? `${heading as string}\n\n${text}\n` : `${heading as string}${text.length > 5 ? '\n\n' : ' '}${text}`;
  }
  if (operator === 'deepEqual') return `${title as string}\n\n${show(actual)}\n\nshould loosely deep-equal\n\n${show(expected)}`;
  if (operator === 'notDeepEqual') return `${title as string}\n\n${show(actual)}`;
  return `${inspect(actual)} ${operator} ${inspect(expected)}`;
}

export const assert = once(() => {
  class AssertionError extends Error {
    readonly code = 'ERR_ASSERTION';
    readonly generatedMessage: boolean;
    readonly actual: unknown;
    readonly expected: unknown;
    readonly operator: string;
    constructor(options: Failure) {
      if (typeof options !== 'object' || options === null) throw invalidType('options', 'object', options);
      const { message, operator } = options;
      // A message takes the place of the title; the difference stays.
      const shows = (operator === 'strictEqual' || operator === 'deepStrictEqual') && message !== undefined;
      super(shows ? generated(options, message) : (message ?? generated(options)));
      this.generatedMessage = options.generated ?? options.message === undefined;
      this.actual = options.actual;
      this.expected = options.expected;
      this.operator = options.operator;
    }
    override toString(): string { return `${this.name} [${this.code}]: ${this.message}`; }
  }
  Object.defineProperty(AssertionError.prototype, 'name', { value: 'AssertionError', writable: true, configurable: true, enumerable: false });

  function failed(message: unknown, failure: Failure): never {
    if (message instanceof Error) throw message;
    throw new AssertionError({ ...failure, message: message === undefined ? failure.message : `${message as string}`, generated: failure.generated ?? message === undefined });
  }

  function needs(count: number, given: number): void {
    if (given < count) throw codedError(TypeError, 'ERR_MISSING_ARGS', 'The "actual" and "expected" arguments must be specified');
  }

  function ok(...args: unknown[]): void {
    if (args[0]) return;
    const text = args.length === 0 ? 'No value argument passed to `assert.ok()`' : 'The expression evaluated to a falsy value';
    failed(args.length === 0 ? undefined : args[1], { actual: args[0], expected: true, operator: '==', message: text });
  }

  /** Whether an error is what was expected: by class, pattern, properties, or a function that says so. */
  function checkError(actual: unknown, expected: unknown, message: unknown, operator: string): void {
    if (typeof expected === 'function') {
      const { prototype } = expected as { prototype?: unknown };
      if (prototype !== undefined && actual instanceof (expected as never)) return;
      if (Object.prototype.isPrototypeOf.call(Error, expected) || expected === Error) {
        const name = (expected as { name: string }).name;
        const of = actual instanceof Error ? `"${actual.constructor.name}"` : `"${inspect(actual, -1)}"`;
        failed(message, {
          actual, expected, operator,
          message: `The error is expected to be an instance of "${name}". Received ${of}${actual instanceof Error ? `\n\nError message:\n\n${actual.message}` : ''}`,
        });
      }
      if (Reflect.apply(expected as Fn, {}, [actual] as never) === true) return;
      const called = (expected as { name: string }).name;
      failed(message, {
        actual, expected, operator,
        message: `The ${called === '' ? '' : `"${called}" `}validation function is expected to return "true". Received ${inspect(false)}${actual instanceof Error ? `\n\nCaught error:\n\n${`${actual}`}` : ''}`,
      });
    }
    if (utilTypes().isRegExp(expected)) {
      const pattern = expected as RegExp;
      if (pattern.exec(String(actual)) !== null) return;
      failed(message, { actual, expected, operator, message: `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(String(actual))}\n` });
    }
    if (typeof expected !== 'object' || expected === null) return;
    if (isPrimitive(actual)) failed(message, { actual, expected, operator: 'deepStrictEqual' });
    const wanted = expected as Record<string, unknown>;
    const found = actual as Record<string, unknown>;
    const keys = Object.keys(wanted);
    if (expected instanceof Error) keys.push('name', 'message');
    else if (keys.length === 0) throw invalidValue('error', expected, 'may not be an empty object');
    for (const key of keys) {
      if (typeof found[key] === 'string' && utilTypes().isRegExp(wanted[key]) && (wanted[key] as RegExp).exec(found[key] as string) !== null) continue;
      if (key in found && isDeepEqual(found[key], wanted[key], true)) continue;
      const pick = (from: Record<string, unknown>): object => Object.fromEntries(keys.filter((one) => one in from).map((one) => [one, from[one]]));
      failed(message, {
        actual, expected, operator: 'throws',
        message: `${TITLES['deepStrictEqual'] as string}\n+ actual - expected\n\n${difference(`Comparison ${show(pick(found))}`, `Comparison ${show(pick(wanted))}`)}`,
      });
    }
  }

  const NOTHING = Symbol('nothing');
  function thrownBy(call: unknown): unknown {
    checkFunction(call, 'fn');
    try {
      call();
    } catch (error) {
      return error;
    }
    return NOTHING;
  }
  async function rejectedBy(given: unknown): Promise<unknown> {
    let promise = given;
    if (typeof given === 'function') {
      promise = (given as () => unknown)();
      if (typeof (promise as { then?: unknown } | null)?.then !== 'function') {
        throw codedError(TypeError, 'ERR_INVALID_RETURN_VALUE', `Expected instance of Promise to be returned from the "promiseFn" function but got ${received(promise).replace(/^ Received /, '').replace(/^an /, '')}.`);
      }
    } else if (typeof (given as { then?: unknown } | null)?.then !== 'function') throw invalidType('promiseFn', ['function', 'Promise'], given);
    try {
      await promise;
    } catch (error) {
      return error;
    }
    return NOTHING;
  }

  function expects(error: unknown, args: unknown[], name: string): void {
    let [expected, message] = args;
    if (typeof expected === 'string') [expected, message] = [undefined, expected];
    if (error === NOTHING) {
      const of = typeof expected === 'function' && (expected as { name: string }).name !== '' ? ` (${(expected as { name: string }).name})` : '';
      const what = name === 'rejects' ? 'rejection' : 'exception';
      failed(message instanceof Error ? message : undefined, { actual: undefined, expected, operator: name, generated: false, message: `Missing expected ${what}${of}${message === undefined ? '.' : `: ${message as string}`}` });
    }
    if (expected !== undefined) checkError(error, expected, message, name);
  }
  function expectsNone(error: unknown, args: unknown[], name: string): void {
    if (error === NOTHING) return;
    let [expected, message] = args;
    if (typeof expected === 'string') [expected, message] = [undefined, expected];
    if (expected !== undefined && !(typeof expected === 'function' ? error instanceof (expected as never) : utilTypes().isRegExp(expected) && (expected as RegExp).test(String(error)))) throw error;
    const what = name === 'doesNotReject' ? 'rejection' : 'exception';
    failed(undefined, {
      actual: error, expected, operator: name, generated: false,
      message: `Got unwanted ${what}${message === undefined ? '.' : `: ${message as string}`}\nActual message: "${(error as { message?: string } | undefined)?.message}"`,
    });
  }

  const methods = {
    ok,
    fail(message?: unknown): never { return failed(message, { operator: 'fail', message: 'Failed' }); },
    equal(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (!(actual == expected || (actual !== actual && expected !== expected))) failed(message, { actual, expected, operator: '==' });
    },
    notEqual(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (actual == expected || (actual !== actual && expected !== expected)) failed(message, { actual, expected, operator: '!=' });
    },
    strictEqual(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (!Object.is(actual, expected)) failed(message, { actual, expected, operator: 'strictEqual' });
    },
    notStrictEqual(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (Object.is(actual, expected)) failed(message, { actual, expected, operator: 'notStrictEqual' });
    },
    deepEqual(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (!isDeepEqual(actual, expected, false)) failed(message, { actual, expected, operator: 'deepEqual' });
    },
    notDeepEqual(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (isDeepEqual(actual, expected, false)) failed(message, { actual, expected, operator: 'notDeepEqual' });
    },
    deepStrictEqual(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (!isDeepEqual(actual, expected, true)) failed(message, { actual, expected, operator: 'deepStrictEqual' });
    },
    notDeepStrictEqual(...[actual, expected, message]: unknown[]): void {
      needs(2, arguments.length);
      if (isDeepEqual(actual, expected, true)) failed(message, { actual, expected, operator: 'notDeepStrictEqual' });
    },
    throws(call: unknown, ...args: unknown[]): void { expects(thrownBy(call), args, 'throws'); },
    doesNotThrow(call: unknown, ...args: unknown[]): void { expectsNone(thrownBy(call), args, 'doesNotThrow'); },
    async rejects(call: unknown, ...args: unknown[]): Promise<void> { expects(await rejectedBy(call), args, 'rejects'); },
    async doesNotReject(call: unknown, ...args: unknown[]): Promise<void> { expectsNone(await rejectedBy(call), args, 'doesNotReject'); },
    match(...[text, pattern, message]: unknown[]): void {
      if (!utilTypes().isRegExp(pattern)) throw invalidType('regexp', ['RegExp'], pattern);
      if (typeof text === 'string' && (pattern as RegExp).exec(text) !== null) return;
      failed(message, {
        actual: text, expected: pattern, operator: 'match',
        message: typeof text === 'string' ? `The input did not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n` : `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})`,
      });
    },
    doesNotMatch(...[text, pattern, message]: unknown[]): void {
      if (!utilTypes().isRegExp(pattern)) throw invalidType('regexp', ['RegExp'], pattern);
      if (typeof text === 'string' && (pattern as RegExp).exec(text) === null) return;
      failed(message, {
        actual: text, expected: pattern, operator: 'doesNotMatch',
        message: `The input was expected to not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`,
      });
    },
    ifError(value: unknown): void {
      if (value === null || value === undefined) return;
      const text = value instanceof Error ? (value.message !== '' ? value.message : value.constructor.name) : inspect(value);
      throw new AssertionError({ actual: value, expected: null, operator: 'ifError', message: `ifError got unwanted exception: ${text}`, generated: false });
    },
    AssertionError,
  };
  const plain = Object.assign((...args: unknown[]): void => ok(...args), methods);
  const strict = Object.assign((...args: unknown[]): void => ok(...args), methods, {
    equal: methods.strictEqual, notEqual: methods.notStrictEqual, deepEqual: methods.deepStrictEqual, notDeepEqual: methods.notDeepStrictEqual,
  });
  Object.defineProperty(plain, 'name', { value: 'ok' });
  Object.defineProperty(strict, 'name', { value: 'strict' });
  return Object.assign(plain, { strict: Object.assign(strict, { strict }) });
});
