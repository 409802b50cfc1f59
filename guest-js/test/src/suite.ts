// Collects what test files declare: suites, tests, hooks. Runs nothing.

export type Body = (...given: never[]) => unknown;
export interface TestOptions { readonly fuelMax?: number; readonly timeoutMs?: number }
export type Mode = 'run' | 'skip' | 'todo';
export type Hook = 'beforeAll' | 'beforeEach' | 'afterEach' | 'afterAll';

export interface Suite {
  readonly name: string;
  readonly parent: Suite | undefined;
  readonly mode: Mode;
  readonly isOnly: boolean;
  readonly hooks: Record<Hook, (() => unknown)[]>;
}

export interface Test {
  readonly name: string;
  readonly file: string;
  readonly suite: Suite;
  readonly mode: Mode;
  readonly isOnly: boolean;
  readonly options: TestOptions;
  readonly body: (() => unknown) | undefined;
  /** Where it is declared. */
  readonly stack: string;
}

const OPTIONS = ['fuelMax', 'timeoutMs'];

function suiteOf(name: string, parent: Suite | undefined, mode: Mode, isOnly: boolean): Suite {
  return { name, parent, mode, isOnly, hooks: { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] } };
}

const all: Test[] = [];
let file = '';
let current = suiteOf('', undefined, 'run', false);
let isCollecting = true;

/** The file whose tests are declared from here on. */
export function beginFile(name: string): void {
  file = name;
  current = suiteOf('', undefined, 'run', false);
}

/** All tests, in the order of their declaration. After this none can be added. */
export function collected(): readonly Test[] {
  isCollecting = false;
  return all;
}

function stackHere(): string { return new Error().stack ?? ''; }

function collecting(what: string): void {
  if (!isCollecting) throw new Error(`${what} is called while a test runs: tests are declared at the top of a file or in describe`);
}

function optionsOf(given: unknown): TestOptions {
  if (typeof given === 'number') return { timeoutMs: given };
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null) throw new TypeError('the options of a test are an object: { fuelMax, timeoutMs }');
  for (const [name, value] of Object.entries(given)) {
    if (!OPTIONS.includes(name)) throw new TypeError(`a test has no option ${JSON.stringify(name)}; it has: ${OPTIONS.join(', ')}`);
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw new RangeError(`${name} must be a whole number, at least 1`);
  }
  return given;
}

function textOf(value: unknown, conversion: string): string {
  switch (conversion) {
    case 'd': return `${Number(value)}`;
    case 'i': return `${Math.trunc(Number(value))}`;
    case 'f': return `${Number(value)}`;
    case 'j':
    case 'o':
    case 'O': return JSON.stringify(value) ?? 'undefined';
    default: return typeof value === 'string' ? value : typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
  }
}

/** `%s %d %i %f %j %o %#` by their order, `$name` by the members of an object. */
function titled(name: string, given: readonly unknown[], place: number): string {
  let next = 0;
  const formatted = name.replace(/%([sdifjoO#%])/g, (whole, conversion: string) => {
    if (conversion === '%') return '%';
    if (conversion === '#') return `${place}`;
    return next < given.length ? textOf(given[next++], conversion) : whole;
  });
  const [first] = given;
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return formatted;
  return formatted.replace(/\$([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)/g, (whole, path: string) => {
    let value: unknown = first;
    for (const part of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
    return value === undefined ? whole : textOf(value, 's');
  });
}

type Declare = (name: string, ...rest: unknown[]) => void;

/** Adds `.each` to what declares tests or suites. */
function withEach(declare: Declare): Declare & { each(table: readonly unknown[]): Declare } {
  const each = (table: readonly unknown[]): Declare => {
    if (!Array.isArray(table)) throw new TypeError('each takes an array');
    return (name, ...rest) => {
      table.forEach((row: unknown, place) => {
        const given = Array.isArray(row) ? (row as unknown[]) : [row];
        const bound = rest.map((one) => (typeof one === 'function' ? () => (one as Body)(...(given as never[])) : one));
        declare(titled(name, given, place), ...bound);
      });
    };
  };
  return Object.assign(declare, { each });
}

function named(name: unknown): string {
  if (typeof name === 'function') return name.name;
  if (typeof name !== 'string' || name === '') throw new TypeError('a test or a suite has a name');
  return name;
}

function test(mode: Mode, isOnly: boolean): Declare {
  return (name, first, second) => {
    collecting('it');
    // `it(name, options, body)`, or as vitest once had it `it(name, body, options)`.
    const [body, given] = typeof first === 'function' ? [first, second] : [second, first];
    if (mode === 'run' && typeof body !== 'function') throw new TypeError(`the test ${JSON.stringify(name)} has no function (it.todo declares one to be written)`);
    all.push({ name: named(name), file, suite: current, mode, isOnly, options: optionsOf(given), body: body as (() => unknown) | undefined, stack: stackHere() });
  };
}

function describing(mode: Mode, isOnly: boolean): Declare {
  return (name, first, second) => {
    collecting('describe');
    const body = typeof first === 'function' ? first : second;
    const outer = current;
    current = suiteOf(named(name), outer, mode, isOnly);
    try {
      const returned = typeof body === 'function' ? (body as () => unknown)() : undefined;
      if (returned instanceof Promise) throw new TypeError(`the function of describe(${JSON.stringify(name)}) must not be async: put what waits into a hook`);
    } finally {
      current = outer;
    }
  };
}

function hook(kind: Hook): (body: () => unknown) => void {
  return (body) => {
    collecting(kind);
    if (typeof body !== 'function') throw new TypeError(`${kind} takes a function`);
    current.hooks[kind].push(body);
  };
}

const when = <T>(declare: T, skip: T, isRun: boolean): T => (isRun ? declare : skip);

function family(make: (mode: Mode, isOnly: boolean) => Declare): object {
  const run = withEach(make('run', false));
  const skip = withEach(make('skip', false));
  return Object.assign(run, {
    skip,
    only: withEach(make('run', true)),
    todo: withEach(make('todo', false)),
    skipIf: (condition: unknown) => when(run, skip, !condition),
    runIf: (condition: unknown) => when(run, skip, Boolean(condition)),
  });
}

export const it = family(test);
export const describe = family(describing);
export const beforeAll = hook('beforeAll');
export const beforeEach = hook('beforeEach');
export const afterEach = hook('afterEach');
export const afterAll = hook('afterAll');
