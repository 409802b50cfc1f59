// Mock functions: `fn()` records how it is called and answers as told, `spyOn` puts one in the place of a method.

import { SHOWN } from './format.ts';

type Any = (this: unknown, ...given: never[]) => unknown;

export interface Calls {
  readonly calls: unknown[][];
  readonly results: { readonly type: 'return' | 'throw'; readonly value: unknown }[];
  readonly contexts: unknown[];
  readonly lastCall: unknown[] | undefined;
}

export interface MockFunction {
  (this: unknown, ...given: unknown[]): unknown;
  readonly mock: Calls;
  getMockName(): string;
  mockName(name: string): MockFunction;
  mockImplementation(body: Any): MockFunction;
  mockImplementationOnce(body: Any): MockFunction;
  mockReturnValue(value: unknown): MockFunction;
  mockReturnValueOnce(value: unknown): MockFunction;
  mockResolvedValue(value: unknown): MockFunction;
  mockResolvedValueOnce(value: unknown): MockFunction;
  mockRejectedValue(error: unknown): MockFunction;
  mockRejectedValueOnce(error: unknown): MockFunction;
  /** Forgets the calls. */
  mockClear(): MockFunction;
  /** Forgets the calls and what was told. */
  mockReset(): MockFunction;
  /** Puts back what was there before `spyOn`. */
  mockRestore(): void;
}

export function isMock(value: unknown): value is MockFunction {
  return typeof value === 'function' && typeof (value as { mock?: unknown }).mock === 'object' && Array.isArray((value as MockFunction).mock?.calls);
}

function make(original: Any | undefined, restore: () => void, initialName: string): MockFunction {
  let name = initialName;
  let body = original;
  let once: Any[] = [];
  let calls: unknown[][] = [];
  let results: Calls['results'] = [];
  let contexts: unknown[] = [];
  const mocked = function mocked(this: unknown, ...given: unknown[]): unknown {
    calls.push(given);
    contexts.push(this);
    const place = results.push({ type: 'return', value: undefined }) - 1;
    const run = once.shift() ?? body;
    try {
      const value = run === undefined ? undefined : new.target === undefined ? Reflect.apply(run, this, given as never[]) : Reflect.construct(run, given);
      results[place] = { type: 'return', value };
      return value;
    } catch (error) {
      results[place] = { type: 'throw', value: error };
      throw error;
    }
  } as unknown as MockFunction;
  const then = (act: () => void) => (): MockFunction => {
    act();
    return mocked;
  };
  const clear = (): void => {
    calls = [];
    results = [];
    contexts = [];
  };
  const reset = (): void => {
    clear();
    once = [];
    body = original;
  };
  const always = (run: Any): MockFunction => then(() => { body = run; })();
  const next = (run: Any): MockFunction => then(() => { once.push(run); })();
  const methods: Omit<MockFunction, 'mock' | keyof CallableFunction> = {
    getMockName: () => name,
    mockName: (given: string) => then(() => { name = given; })(),
    mockImplementation: always,
    mockImplementationOnce: next,
    mockReturnValue: (value: unknown) => always(() => value),
    mockReturnValueOnce: (value: unknown) => next(() => value),
    mockResolvedValue: (value: unknown) => always(() => Promise.resolve(value)),
    mockResolvedValueOnce: (value: unknown) => next(() => Promise.resolve(value)),
    mockRejectedValue: (error: unknown) => always(() => Promise.reject(error)),
    mockRejectedValueOnce: (error: unknown) => next(() => Promise.reject(error)),
    mockClear: then(clear),
    mockReset: then(reset),
    mockRestore: () => {
      reset();
      restore();
    },
  } as never;
  for (const [key, value] of Object.entries(methods)) Object.defineProperty(mocked, key, { value });
  Object.defineProperty(mocked, 'mock', {
    value: {
      get calls() { return calls; },
      get results() { return results; },
      get contexts() { return contexts; },
      get lastCall() { return calls.at(-1); },
    },
  });
  Object.defineProperty(mocked, SHOWN, { get: () => `[Mock ${name}]` });
  return mocked;
}

/** A function that records its calls; without a body it returns undefined. */
export function fn(body?: Any): MockFunction { return make(body, () => undefined, body === undefined || body.name === '' ? 'fn' : body.name); }

function describe(object: object, name: PropertyKey): PropertyDescriptor | undefined {
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Puts a mock function in the place of a method, which it still calls unless told otherwise. */
export function spyOn(object: object, name: PropertyKey): MockFunction {
  const found = describe(object, name);
  const original = found?.value as unknown;
  if (isMock(original)) return original;
  if (typeof original !== 'function') throw new TypeError(`spyOn: there is no method ${String(name)}`);
  const own = Object.getOwnPropertyDescriptor(object, name);
  if (own?.configurable === false && own.writable !== true) throw new TypeError(`spyOn: ${String(name)} cannot be replaced: the object is frozen (sdk is: use what @belljar/sdk/test has for it)`);
  const mocked = make(original as Any, () => {
    if (own === undefined) delete (object as Record<PropertyKey, unknown>)[name];
    else Object.defineProperty(object, name, own);
  }, String(name));
  Object.defineProperty(object, name, { value: mocked, writable: true, enumerable: own?.enumerable ?? false, configurable: own?.configurable ?? true });
  return mocked;
}
