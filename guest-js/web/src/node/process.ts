// process, as far as there is one: packages look at its version and its environment. It says nothing of the machine, and nobody's
// settings are in `env` but those that are declared.

import { once } from '../lazy.ts';
import { environment } from '../sdk/config.ts';
import { native } from '../native.ts';
import { now } from '../web/clock.ts';
import { reportException } from '../web/report.ts';
import { codedError, unavailable } from './errors.ts';
import { events } from './events.ts';
import { builtinModule } from './modules.ts';
import { nextTick } from './ticks.ts';

/** Whose behaviour the modules follow. */
const NODE_VERSION = '20.19.0';
const CONSOLE = 0;
const INFO = 1;
const ERROR = 3;
const NS_PER_US = 1000n;
const US_PER_S = 1_000_000;

function stream(fd: number, level: number): object {
  return {
    fd, isTTY: false, writable: true,
    /** A line of the log for each call: there are no streams to write to. */
    write(chunk: unknown, ...rest: unknown[]): boolean {
      const text = typeof chunk === 'string' ? chunk : native.utf8Decode(chunk as Uint8Array, false, true);
      native.log(CONSOLE, level, text.endsWith('\n') ? text.slice(0, -1) : text, []);
      const done = rest[rest.length - 1];
      if (typeof done === 'function') nextTick(done);
      return true;
    },
    hasColors: (): boolean => false,
    getColorDepth: (): number => 1,
  };
}

export const process = once(() => {
  const Emitter = events();
  const object = Object.create(Emitter.prototype) as Record<string, unknown>;
  Reflect.apply(Emitter as unknown as () => void, object, []);
  for (const name of ['_events', '_eventsCount', '_maxListeners']) Object.defineProperty(object, name, { enumerable: false });
  const started = (): number => now() / 1000;

  /** Since some moment; only differences mean something. */
  function hrtime(before?: [number, number]): [number, number] {
    const us = native.nowUs();
    let [seconds, nanoseconds] = [Math.floor(us / US_PER_S), Math.floor(us % US_PER_S) * 1000];
    if (before !== undefined) {
      seconds -= before[0];
      nanoseconds -= before[1];
      if (nanoseconds < 0) {
        seconds--;
        nanoseconds += 1e9;
      }
    }
    return [seconds, nanoseconds];
  }
  hrtime.bigint = (): bigint => BigInt(Math.floor(native.nowUs())) * NS_PER_US;

  function emitWarning(warning: unknown, options?: unknown): void {
    const type = typeof options === 'string' ? options : ((options as { type?: string } | undefined)?.type ?? 'Warning');
    let error = warning as Error;
    if (typeof warning === 'string') {
      error = new Error(warning);
      error.name = type;
    }
    native.log(CONSOLE, 2, `${error.name}: ${error.message}`, []);
    nextTick(() => (object as { emit?: (name: string, error: Error) => void }).emit?.('warning', error));
  }

  // Filled when it is looked at: most programs never do. It may be replaced, as in Node.
  let replaced: unknown;
  Object.defineProperty(object, 'env', {
    get: () => replaced ?? environment(), set: (value: unknown) => { replaced = value; }, enumerable: true, configurable: true,
  });

  const ends = 'return from the handler, or throw';
  return Object.assign(object, {
    title: 'belljar', version: `v${NODE_VERSION}`, versions: { node: NODE_VERSION }, release: { name: 'belljar' }, arch: 'wasm32', platform: 'linux', pid: 1, ppid: 0,
    argv: ['belljar', 'applet'], argv0: 'belljar', execArgv: [], execPath: '/belljar', exitCode: undefined, config: {}, features: {},
    nextTick, hrtime, emitWarning, getBuiltinModule: builtinModule,
    cwd: (): string => '/',
    chdir: unavailable('process.chdir', 'there are no folders'),
    umask: (): number => 0o22,
    uptime: started,
    stdout: stream(1, INFO), stderr: stream(2, ERROR),
    exit: unavailable('process.exit', ends), abort: unavailable('process.abort', ends), kill: unavailable('process.kill', ends),
    reallyExit: unavailable('process.exit', ends),
    binding: (name: string): never => { throw codedError(Error, 'ERR_INVALID_MODULE', `No such module: ${name}`); },
    _rawDebug: (...args: unknown[]): void => native.log(CONSOLE, ERROR, args.join(' '), []),
    /** For code that reports an error nobody has caught. */
    _fatalException: reportException,
  });
});
