// What the host calls: the list of all tests, or one of them. Each test is an invocation of its own, in a sandbox that no other test has seen.

import { AssertionError, counted } from './assertion.ts';
import { setApplet } from './call.ts';
import { executed } from './coverage.ts';
import { beginCustom, mistake, setCustom } from './custom.ts';
import type { Applet, ErrorReport, Testing } from './driver.ts';
import { beginHost } from './host.ts';
import { beginHttp } from './http.ts';
import { beginConfig } from './sinks.ts';
import { collected, type Hook, type Suite, type Test } from './suite.ts';

/** What the host asks for; `host/testing/src/guest.rs` has both sides. */
type Order = { list: true } | { run: number };

interface Failed { where: 'test' | Hook; diff?: string; errors: ErrorReport[] }

function suitesOf(test: Test): Suite[] {
  const suites: Suite[] = [];
  for (let suite: Suite | undefined = test.suite; suite !== undefined; suite = suite.parent) suites.unshift(suite);
  return suites;
}

/** Files in which something is to run alone. */
function filesWithOnly(tests: readonly Test[]): Set<string> {
  return new Set(tests.filter((test) => test.isOnly || suitesOf(test).some((suite) => suite.isOnly)).map((test) => test.file));
}

function list(): object {
  const tests = collected();
  const alone = filesWithOnly(tests);
  return {
    tests: tests.map((test) => {
      const suites = suitesOf(test);
      const isLeftOut = alone.has(test.file) && !test.isOnly && !suites.some((suite) => suite.isOnly);
      const modes = [...suites.map((suite) => suite.mode), test.mode];
      const mode = modes.includes('todo') ? 'todo' : isLeftOut || modes.includes('skip') ? 'skip' : 'run';
      return { name: test.name, suites: suites.slice(1).map((suite) => suite.name), file: test.file, mode, stack: test.stack, ...test.options };
    }),
    executed: executed(),
  };
}

async function run(test: Test, testing: Testing): Promise<object> {
  const failed: Failed[] = [];
  const attempt = async (where: Failed['where'], body: () => unknown): Promise<boolean> => {
    try {
      await body();
      return true;
    } catch (error) {
      const { errors } = testing.report(error);
      failed.push({ where, errors, ...(error instanceof AssertionError && error.diff !== undefined ? { diff: error.diff } : {}) });
      return false;
    }
  };
  const suites = suitesOf(test);
  const inner = [...suites].reverse();
  const all = async (kind: Hook, from: readonly Suite[]): Promise<boolean> => {
    for (const suite of from) {
      // Of what is undone, the last is undone first.
      const hooks = kind.startsWith('after') ? [...suite.hooks[kind]].reverse() : suite.hooks[kind];
      for (const hook of hooks) if (!(await attempt(kind, hook)) && kind.startsWith('before')) return false;
    }
    return true;
  };
  if ((await all('beforeAll', suites)) && (await all('beforeEach', suites))) {
    const hasPassed = await attempt('test', test.body ?? (() => undefined));
    const { assertions, expected } = counted;
    if (hasPassed && expected !== undefined && (expected === 'some' ? assertions === 0 : assertions !== expected)) {
      await attempt('test', () => { throw new AssertionError(`expected ${expected === 'some' ? 'at least one assertion' : `${expected} assertions`}, but there were ${assertions}`); });
    }
  }
  await all('afterEach', inner);
  await all('afterAll', inner);
  // The applet may have caught it.
  const caught = failed.length === 0 ? mistake() : undefined;
  if (caught !== undefined) await attempt('test', () => { throw caught; });
  return { failed, executed: executed() };
}

/** The handler of the test bundle. */
export function makeRunner(applet: Applet): (order: Order, testing: Testing) => unknown {
  setApplet(applet);
  setCustom(applet.custom);
  return (order, testing) => {
    if ('list' in order) return list();
    const test = collected()[order.run];
    if (test === undefined) throw new RangeError(`there is no test ${order.run}`);
    beginHost(testing);
    beginHttp();
    beginCustom();
    beginConfig();
    return run(test, testing);
  };
}
