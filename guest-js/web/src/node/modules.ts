// Which of Node's modules are here, by name, and the globals that Node has beside them. Each comes into being when it is first asked for.

import { installLazily } from '../lazy.ts';
import { consoleObject } from '../web/console.ts';
import { performance } from '../web/performance.ts';
import { installGlobal } from '../webidl.ts';
import { assert } from './assert.ts';
import { asyncHooks } from './async-hooks.ts';
import { buffers } from './buffer.ts';
import { nodeCrypto } from './crypto.ts';
import { diagnosticsChannel } from './diagnostics-channel.ts';
import { events } from './events.ts';
import { path } from './path.ts';
import { process } from './process.ts';
import { punycode } from './punycode.ts';
import { querystring } from './querystring.ts';
import { stringDecoder } from './string-decoder.ts';
import { nodeTimers } from './timers.ts';
import { utilTypes } from './types.ts';
import { url } from './url.ts';
import { util } from './util.ts';

const WEB_STREAMS = ['ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamBYOBReader', 'ReadableStreamBYOBRequest', 'ReadableByteStreamController',
  'ReadableStreamDefaultController', 'WritableStream', 'WritableStreamDefaultWriter', 'WritableStreamDefaultController', 'TransformStream',
  'TransformStreamDefaultController', 'ByteLengthQueuingStrategy', 'CountQueuingStrategy', 'TextEncoderStream', 'TextDecoderStream', 'CompressionStream', 'DecompressionStream'];

function webStreams(): object {
  const found: Record<string, unknown> = {};
  for (const name of WEB_STREAMS) found[name] = (globalThis as Record<string, unknown>)[name];
  return found;
}

/** One a line: build/toolchain/src/bundle/node_builtins.rs has the same names, and a test of it reads these. */
const MODULES: Record<string, () => object> = {
  __proto__: null,
  assert,
  'assert/strict': () => assert().strict,
  async_hooks: asyncHooks,
  buffer: buffers,
  console: () => consoleObject,
  crypto: nodeCrypto,
  diagnostics_channel: diagnosticsChannel,
  events,
  path,
  'path/posix': () => path()['posix'] as object,
  'path/win32': () => path()['win32'] as object,
  perf_hooks: () => ({ performance }),
  process,
  punycode,
  querystring,
  'stream/web': webStreams,
  string_decoder: stringDecoder,
  sys: util,
  timers: nodeTimers,
  'timers/promises': () => nodeTimers().promises,
  url,
  util,
  'util/types': utilTypes,
} as never;

const made: Record<string, object> = { __proto__: null } as never;

/** process.getBuiltinModule: a module by its name, with or without `node:`; undefined for what is not here. */
export function builtinModule(specifier: unknown): object | undefined {
  const text = `${specifier as string}`;
  const name = text.startsWith('node:') ? text.slice(5) : text;
  const make = MODULES[name];
  return make === undefined ? undefined : (made[name] ??= named(make()));
}

/** A bundler may have given functions other names (`once2`, `once$1`). */
function named(module: object): object {
  for (const key of Object.keys(module)) {
    const value = (module as Record<string, unknown>)[key];
    if (typeof value !== 'function' || value.name === key || value.name.replace(/\$?\d+$/, '') !== key) continue;
    Object.defineProperty(value, 'name', { value: key, configurable: true });
  }
  return module;
}

/** Names that a module exports: what `import` of it can name. Of `default` there is always one. */
export function builtinExports(specifier: string): string[] | undefined {
  const module = builtinModule(specifier);
  return module === undefined ? undefined : Object.keys(module).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default');
}

export function installNode(): void {
  installLazily('Buffer', () => builtinModule('buffer') as object);
  installLazily('process', () => ({ process: process() }));
  installLazily('setImmediate clearImmediate', nodeTimers);
  installGlobal('global', globalThis);
}
