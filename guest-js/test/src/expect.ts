// expect(value).matcher(…), in the manner of vitest.

import { AssertionError, counted } from './assertion.ts';
import { any, anything, containing, isClose, matchesText } from './asymmetric.ts';
import { diff } from './diff.ts';
import { equal, type How, isAsymmetric, MATCHES } from './equal.ts';
import { brief, full } from './format.ts';
import { isMock, type MockFunction } from './mock.ts';

/** What a matcher says: whether it holds, how to say so, and what is compared. */
interface Verdict { pass: boolean; text: string; compared?: { expected: unknown; received: unknown }; detail?: string }
type Matcher = (received: unknown, ...given: never[]) => Verdict;

const says = (pass: boolean, text: string, rest: Omit<Verdict, 'pass' | 'text'> = {}): Verdict => ({ pass, text, ...rest });

function compares(how: How, words: string): Matcher {
  return (received, expected: unknown) => says(equal(received, expected, how), `${words} ${brief(expected)}`, { compared: { expected, received: how === 'subset' ? narrowed(received, expected) : received } });
}

/** Of an object what is compared with a part of it: the rest would only be in the way of the difference. */
function narrowed(received: unknown, expected: unknown): unknown {
  if (typeof received !== 'object' || received === null || typeof expected !== 'object' || expected === null || isAsymmetric(expected)) return received;
  if (Array.isArray(received)) return Array.isArray(expected) ? received.map((one, at) => narrowed(one, expected[at])) : received;
  if (Object.getPrototypeOf(received) !== Object.prototype) return received;
  return Object.fromEntries(Object.entries(expected).filter(([name]) => name in received).map(([name, value]) => [name, narrowed((received as Record<string, unknown>)[name], value)]));
}

function numeric(words: string, holds: (received: number | bigint, bound: number | bigint) => boolean): Matcher {
  return (received, bound: number | bigint) => {
    for (const [value, what] of [[received, 'the value'], [bound, 'the bound']] as const) {
      if (typeof value !== 'number' && typeof value !== 'bigint') throw new TypeError(`${what} must be a number, not ${brief(value)}`);
    }
    return says(holds(received as number, bound), `${words} ${brief(bound)}`);
  };
}

function lengthOf(value: unknown): number | undefined {
  const length = (value as { length?: unknown } | null | undefined)?.length;
  return typeof length === 'number' ? length : undefined;
}

function pathOf(path: string | readonly PropertyKey[]): readonly PropertyKey[] {
  return typeof path === 'string' ? path.replace(/\[(\w+)\]/g, '.$1').split('.').filter((part) => part !== '') : path;
}

/** What was thrown, by a function or by what a promise was rejected with. */
function thrown(received: unknown, isRejection: boolean): { error: unknown } | undefined {
  if (isRejection) return { error: received };
  if (typeof received !== 'function') throw new TypeError(`toThrow needs a function, not ${brief(received)}: write expect(() => …), or await expect(promise).rejects`);
  try {
    const returned: unknown = (received as () => unknown)();
    if (returned instanceof Promise) {
      returned.catch(() => undefined);
      throw new TypeError('the function of toThrow returned a promise: write await expect(promise).rejects.toThrow(…)');
    }
    return undefined;
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith('the function of toThrow')) throw error;
    return { error };
  }
}

function messageOf(error: unknown): string { return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error); }

function throws(received: unknown, isRejection: boolean, expected: unknown): Verdict {
  const found = thrown(received, isRejection);
  const detail = found === undefined ? 'nothing was thrown' : `it threw ${brief(found.error)}`;
  if (expected === undefined) return says(found !== undefined, 'to throw', { detail });
  if (typeof expected === 'string' || expected instanceof RegExp) {
    return says(found !== undefined && matchesText(messageOf(found.error), expected), `to throw an error whose message ${typeof expected === 'string' ? 'includes' : 'matches'} ${brief(expected)}`, { detail });
  }
  if (typeof expected === 'function') return says(found !== undefined && found.error instanceof (expected as never), `to throw a ${expected.name}`, { detail });
  if (isAsymmetric(expected)) return says(found !== undefined && expected[MATCHES](found.error), `to throw ${brief(expected)}`, { detail });
  if (expected instanceof Error) return says(found !== undefined && messageOf(found.error) === expected.message, `to throw an error with the message ${brief(expected.message)}`, { detail });
  return says(found !== undefined && equal(found.error, expected), `to throw ${brief(expected)}`, { detail });
}

function mocked(received: unknown): MockFunction['mock'] {
  if (!isMock(received)) throw new TypeError(`${brief(received)} is no mock function: make one with fn() or spyOn()`);
  return received.mock;
}

function listed(calls: readonly unknown[][]): string {
  if (calls.length === 0) return 'it was not called';
  const shown = calls.slice(0, 5).map((given, at) => `  ${at + 1}: (${given.map(brief).join(', ')})`);
  return `it was called with\n${shown.join('\n')}${calls.length > 5 ? `\n  … and ${calls.length - 5} more` : ''}`;
}

function times(count: number): string { return count === 1 ? 'once' : `${count} times`; }

function calledWith(which: 'any' | 'last' | number, received: unknown, given: unknown[]): Verdict {
  const { calls } = mocked(received);
  const chosen = which === 'any' ? calls : which === 'last' ? calls.slice(-1) : calls.slice(which - 1, which);
  const words = which === 'any' ? 'to have been called with' : which === 'last' ? 'to have been called last with' : `to have been called, as call ${which}, with`;
  const only = chosen.length === 1 ? { compared: { expected: given, received: chosen[0] } } : {};
  return says(chosen.some((call) => equal(call, given)), `${words} (${given.map(brief).join(', ')})`, { detail: listed(calls), ...only });
}

function returned(received: unknown): unknown[] { return mocked(received).results.filter(({ type }) => type === 'return').map(({ value }) => value); }

const MATCHERS = {
  toBe: (received: unknown, expected: unknown) => {
    const isAlike = !Object.is(received, expected) && equal(received, expected, 'strict');
    return says(Object.is(received, expected), `to be ${brief(expected)}`, { compared: { expected, received }, ...(isAlike ? { detail: 'they are equal and not the same: use toEqual' } : {}) });
  },
  toEqual: compares('equal', 'to equal'),
  toStrictEqual: compares('strict', 'to strictly equal'),
  toMatchObject: compares('subset', 'to match the object'),
  toBeTruthy: (received: unknown) => says(Boolean(received), 'to be truthy'),
  toBeFalsy: (received: unknown) => says(!received, 'to be falsy'),
  toBeNull: (received: unknown) => says(received === null, 'to be null'),
  toBeUndefined: (received: unknown) => says(received === undefined, 'to be undefined'),
  toBeDefined: (received: unknown) => says(received !== undefined, 'to be defined'),
  toBeNullable: (received: unknown) => says(received === undefined || received === null, 'to be null or undefined'),
  toBeNaN: (received: unknown) => says(Number.isNaN(received), 'to be NaN'),
  toBeGreaterThan: numeric('to be greater than', (received, bound) => received > bound),
  toBeGreaterThanOrEqual: numeric('to be at least', (received, bound) => received >= bound),
  toBeLessThan: numeric('to be less than', (received, bound) => received < bound),
  toBeLessThanOrEqual: numeric('to be at most', (received, bound) => received <= bound),
  toBeCloseTo: (received: unknown, expected: number, digits = 2) =>
    says(typeof received === 'number' && isClose(received, expected, digits), `to be close to ${expected}`, { detail: `they may differ by less than ${10 ** -digits / 2}, and differ by ${Math.abs((received as number) - expected)}` }),
  toBeInstanceOf: (received: unknown, type: abstract new (...given: never) => unknown) => says(received instanceof type, `to be an instance of ${type.name}`),
  toBeTypeOf: (received: unknown, type: string) => says(typeof received === type, `to be of type ${brief(type)}`, { detail: `its type is ${brief(typeof received)}` }),
  toBeOneOf: (received: unknown, options: Iterable<unknown>) => says([...options].some((option) => equal(received, option)), `to be one of ${brief([...options])}`),
  toSatisfy: (received: unknown, predicate: (value: unknown) => unknown) => says(Boolean(predicate(received)), `to satisfy ${predicate.name === '' ? 'the predicate' : predicate.name}`),
  toContain: (received: unknown, part: unknown) => {
    if (typeof received === 'string') return says(received.includes(String(part)), `to contain ${brief(part)}`);
    if (typeof (received as Iterable<unknown> | undefined)?.[Symbol.iterator] !== 'function') throw new TypeError(`toContain needs a text or something that can be iterated, not ${brief(received)}`);
    return says([...(received as Iterable<unknown>)].some((one) => Object.is(one, part) || (isAsymmetric(part) && part[MATCHES](one))), `to contain ${brief(part)}`);
  },
  toContainEqual: (received: unknown, part: unknown) => says([...(received as Iterable<unknown>)].some((one) => equal(one, part)), `to contain an equal of ${brief(part)}`),
  toHaveLength: (received: unknown, length: number) => says(lengthOf(received) === length, `to have length ${length}`, { detail: `its length is ${brief(lengthOf(received))}` }),
  toHaveProperty: (received: unknown, path: string | readonly PropertyKey[], ...rest: unknown[]) => {
    let value = received;
    let isThere = true;
    for (const name of pathOf(path)) {
      isThere = value !== null && value !== undefined && name in Object(value);
      if (!isThere) break;
      value = (value as Record<PropertyKey, unknown>)[name];
    }
    const words = `to have the property ${brief(path)}`;
    if (rest.length === 0) return says(isThere, words);
    return says(isThere && equal(value, rest[0]), `${words} with the value ${brief(rest[0])}`, isThere ? { compared: { expected: rest[0], received: value } } : { detail: 'there is no such property' });
  },
  toMatch: (received: unknown, pattern: string | RegExp) => {
    if (typeof received !== 'string') throw new TypeError(`toMatch needs a text, not ${brief(received)}`);
    return says(matchesText(received, pattern), `to match ${brief(pattern)}`);
  },
  toHaveBeenCalled: (received: unknown) => says(mocked(received).calls.length > 0, 'to have been called', { detail: listed(mocked(received).calls) }),
  toHaveBeenCalledOnce: (received: unknown) => says(mocked(received).calls.length === 1, 'to have been called once', { detail: listed(mocked(received).calls) }),
  toHaveBeenCalledTimes: (received: unknown, count: number) => says(mocked(received).calls.length === count, `to have been called ${times(count)}`, { detail: `it was called ${times(mocked(received).calls.length)}` }),
  toHaveBeenCalledWith: (received: unknown, ...given: unknown[]) => calledWith('any', received, given),
  toHaveBeenLastCalledWith: (received: unknown, ...given: unknown[]) => calledWith('last', received, given),
  toHaveBeenNthCalledWith: (received: unknown, place: number, ...given: unknown[]) => calledWith(place, received, given),
  toHaveReturned: (received: unknown) => says(returned(received).length > 0, 'to have returned'),
  toHaveReturnedTimes: (received: unknown, count: number) => says(returned(received).length === count, `to have returned ${times(count)}`),
  toHaveReturnedWith: (received: unknown, value: unknown) => says(returned(received).some((one) => equal(one, value)), `to have returned ${brief(value)}`, { detail: `it returned ${brief(returned(received))}` }),
} satisfies Record<string, Matcher>;

const extended = new Map<string, (received: unknown, ...given: unknown[]) => { pass: boolean; message: () => string } | Promise<{ pass: boolean; message: () => string }>>();

/** Throws unless the verdict is the one that is wanted. */
function judge(verdict: Verdict, received: unknown, isNot: boolean, note: string | undefined, stack?: string): void {
  if (verdict.pass !== isNot) return;
  const { text, compared, detail } = verdict;
  const words = `expected ${brief(received)} ${isNot ? 'not ' : ''}${text}`;
  const difference = compared === undefined || isNot ? undefined : differenceOf(compared.expected, compared.received);
  const told = difference === undefined || detail?.startsWith('they are') === true ? detail : undefined;
  const message = `${note === undefined ? '' : `${note}: `}${words}${told === undefined ? '' : `\n${told}`}`;
  throw new AssertionError(message, difference, stack);
}

function differenceOf(expected: unknown, received: unknown): string | undefined {
  // Where both are short the message says it all.
  const isShort = (value: unknown): boolean => (typeof value !== 'object' || value === null) && (typeof value !== 'string' || (value.length <= 40 && !value.includes('\n')));
  if (isShort(expected) && isShort(received)) return undefined;
  if (typeof expected === 'string' && typeof received === 'string') return diff(expected, received);
  return diff(full(expected), full(received)) ?? undefined;
}

type Expectation = Record<string, (...given: unknown[]) => void | Promise<void>>;

function expectation(received: unknown, isNot: boolean, note: string | undefined): Expectation {
  const matchers: Expectation = {};
  for (const [name, matcher] of Object.entries(MATCHERS)) {
    matchers[name] = (...given) => {
      counted.assertions++;
      judge((matcher as Matcher)(received, ...(given as never[])), received, isNot, note);
    };
  }
  const toThrow = (...given: unknown[]): void => {
    counted.assertions++;
    judge(throws(received, false, given[0]), received, isNot, note);
  };
  Object.assign(matchers, { toThrow, toThrowError: toThrow });
  for (const [name, matcher] of extended) {
    matchers[name] = (...given) => {
      counted.assertions++;
      const custom = ({ pass, message }: { pass: boolean; message: () => string }): void => {
        if (pass === isNot) throw new AssertionError(message());
      };
      const verdict = matcher(received, ...given);
      return verdict instanceof Promise ? verdict.then(custom) : custom(verdict);
    };
  }
  return matchers;
}

/** The matchers for what a promise becomes. */
function awaited(received: unknown, isRejection: boolean, isNot: boolean, note: string | undefined, stack: string): Expectation {
  const settled = async (): Promise<unknown> => {
    const promise = typeof received === 'function' && isRejection ? (async () => (received as () => unknown)())() : received;
    if (typeof (promise as PromiseLike<unknown> | undefined)?.then !== 'function') throw new AssertionError(`expected a promise, not ${brief(promise)}`, undefined, stack);
    let value: unknown;
    try {
      value = await (promise as PromiseLike<unknown>);
    } catch (error) {
      if (isRejection) return error;
      throw new AssertionError(`expected the promise to be fulfilled, but it was rejected with ${brief(error)}`, undefined, stack);
    }
    if (!isRejection) return value;
    throw new AssertionError(`expected the promise to be rejected, but it was fulfilled with ${brief(value)}`, undefined, stack);
  };
  const matchers: Expectation = {};
  const matching = (name: string, judged: (value: unknown, given: unknown[]) => Verdict): void => {
    matchers[name] = async (...given) => {
      counted.assertions++;
      const value = await settled();
      judge(judged(value, given), value, isNot, note, stack);
    };
  };
  for (const [name, matcher] of Object.entries(MATCHERS)) matching(name, (value, given) => (matcher as Matcher)(value, ...(given as never[])));
  for (const name of ['toThrow', 'toThrowError']) matching(name, (value, given) => throws(value, isRejection, given[0]));
  for (const name of extended.keys()) matchers[name] = async (...given) => (expectation(await settled(), isNot, note)[name] as (...all: unknown[]) => void)(...given);
  return matchers;
}

/** Matchers are made when they are asked for: most expectations use one. */
function made(make: () => Expectation): object {
  let all: Expectation | undefined;
  return new Proxy({}, {
    get: (_, name) => {
      all ??= make();
      const matcher = typeof name === 'string' ? all[name] : undefined;
      if (matcher === undefined && typeof name === 'string' && name !== 'then') throw new TypeError(`there is no matcher ${name}`);
      return matcher;
    },
  });
}

function family(received: unknown, isNot: boolean, note: string | undefined): object {
  const sync = made(() => expectation(received, isNot, note));
  return new Proxy(sync, {
    get: (target, name) => {
      if (name === 'not') return family(received, !isNot, note);
      if (name === 'resolves' || name === 'rejects') {
        const stack = new Error().stack ?? '';
        const opposite = made(() => awaited(received, name === 'rejects', !isNot, note, stack));
        return made(() => ({ ...awaited(received, name === 'rejects', isNot, note, stack), not: opposite as never }));
      }
      return Reflect.get(target, name) as unknown;
    },
  });
}

function expectValue(received: unknown, note?: string): object { return family(received, false, note); }

export const expect = Object.assign(expectValue, {
  any, anything, ...containing(false),
  not: containing(true),
  /** How many expectations the test must have met. */
  assertions(count: number): void { counted.expected = count; },
  hasAssertions(): void { counted.expected = 'some'; },
  unreachable(message = 'this was not to be reached'): never { throw new AssertionError(message); },
  fail(message = 'the test failed itself'): never { throw new AssertionError(message); },
  extend(matchers: Record<string, (received: unknown, ...given: unknown[]) => { pass: boolean; message: () => string }>): void {
    for (const [name, matcher] of Object.entries(matchers)) extended.set(name, matcher);
  },
});
