// @ts-check
// What runs inside a process of Bun, Node or Deno: `context`, `sdk`, `fetch`, the console and the handlers of an applet, as the sandbox has
// them (guest-js/web), spoken to the host through two unix sockets (docs/process.md). One file for all three, JavaScript with types in
// comments: Node 20 runs no TypeScript, and nothing has to be built.

import { AsyncLocalStorage } from 'node:async_hooks';
import { Buffer } from 'node:buffer';
import { Console } from 'node:console';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { writeSync } from 'node:fs';
import * as http from 'node:http';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { format, inspect } from 'node:util';

const { SOCKET_PATH, HOST_SOCKET_PATH, BUNDLE_PATH } = process.env;
for (const name of ['SOCKET_PATH', 'HOST_SOCKET_PATH', 'BUNDLE_PATH']) delete process.env[name];
// Deno puts a `node` of its own on a PATH of its own.
if ('Deno' in globalThis) for (const name of ['DENO_NODE_SHIM_ACTIVE', 'PATH']) delete process.env[name];
if (!SOCKET_PATH || !HOST_SOCKET_PATH || !BUNDLE_PATH) {
  process.stderr.write('SOCKET_PATH, HOST_SOCKET_PATH and BUNDLE_PATH must be set: the host does, it starts this script\n');
  process.exit(2);
}

// What an applet replaces later is not what is used here.
const { stringify, parse } = JSON;
const { freeze, keys, defineProperty, hasOwn } = Object;
const { isArray } = Array;
const NativeResponse = globalThis.Response;
const NativeRequest = globalThis.Request;
const nativeFetch = globalThis.fetch;
const SavedReadableStream = globalThis.ReadableStream;
const SavedError = globalThis.Error;
const SavedURLSearchParams = globalThis.URLSearchParams;
const Bun = /** @type {any} */ (globalThis).Bun;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const { now } = Date;

const HEAD_BYTES = 'belljar-head-bytes';
/** Bytes of a request that are read at once. */
const WHOLE_BYTES_MAX = 1 << 20;
const FRAME_BYTES = 256 << 10;
/** Turns of the queue of microtasks after which a stream has nothing more to give at once. */
const TICKS = 8;
const BROKEN = 0xffff_ffff;
const TEXT_CHARS_MAX = 8_192;
const ERRORS_MAX = 16;
const MESSAGE_CHARS_MAX = 65_536;
const FIELDS_MAX = 64;
const LINES_MAX = 1_000;
const FLUSH_MS = 50;
const MS_MAX = 8_640_000_000_000_000;
const SECONDS_MAX = 366 * 24 * 3600;

/** @typedef {{ read(): Promise<Uint8Array | undefined>, cancel(): void }} Source */
/** @typedef {{ level: string, origin: string, message: string, fields?: Record<string, unknown>, atMs: number }} LogLine */

/** @type {AsyncLocalStorage<Invocation>} */
const storage = new AsyncLocalStorage();

// ---------------------------------------------------------------------------------------------------------------- errors

/** A capability refused or failed. */
class SdkError extends SavedError {
  static { defineProperty(this.prototype, 'name', { value: 'SdkError', writable: true, configurable: true }); }
  /** @param {{ capability: string, code: string, message: string, limit?: string, allowed?: number, used?: number }} from */
  constructor(from) {
    super(from.message);
    this.code = from.code;
    this.capability = from.capability;
    if (from.limit !== undefined) {
      this.limit = from.limit;
      this.allowed = from.allowed;
      this.used = from.used;
    }
  }
  get details() {
    const { capability, limit, allowed, used } = this;
    return limit === undefined ? { capability } : { capability, limit, allowed, used };
  }
}
freeze(SdkError);
freeze(SdkError.prototype);

/** A failure that is not the applet's throw. */
class HandlerFailure extends SavedError {
  static { defineProperty(this.prototype, 'name', { value: 'HandlerError', configurable: true }); }
  /** @param {string} reason @param {string} message */
  constructor(reason, message) {
    super(message);
    this.#reason = reason;
  }
  #reason;
  /** @param {any} error @returns {string | undefined} */
  static reasonOf(error) { return typeof error === 'object' && error !== null && #reason in error ? error.#reason : undefined; }
}

/** @param {string} text @param {number} chars */
function cut(text, chars) { return text.length <= chars ? text : `${text.slice(0, chars - 40)}… ${text.length - chars + 40} more characters`; }

/** @param {any} object @param {string} name @returns {unknown} */
function property(object, name) {
  try {
    return object[name];
  } catch {
    return undefined;
  }
}

/** @param {any} error @param {string} name */
function textOf(error, name) {
  const value = property(error, name);
  if (typeof value === 'string') return cut(value, TEXT_CHARS_MAX);
  return typeof value === 'number' || typeof value === 'bigint' ? `${value}` : undefined;
}

/** @param {any} error */
function detailsOf(error) {
  try {
    const text = stringify(error.details);
    return text === undefined || text.length <= TEXT_CHARS_MAX ? text : stringify(`${text.slice(0, 256)}…`);
  } catch {
    return undefined;
  }
}

/** @param {unknown} value */
function isErrorLike(value) {
  if (typeof value !== 'object' || value === null) return false;
  return value instanceof SavedError || (typeof property(value, 'message') === 'string' && typeof property(value, 'name') === 'string');
}

/** The error, its causes and what it gathers, each once. @param {unknown} error */
function chain(error) {
  /** @type {{ error: any, role: string, parent: number }[]} */
  const found = [{ error, role: 'thrown', parent: 0 }];
  /** @param {unknown} other @param {string} role @param {number} parent */
  const add = (other, role, parent) => {
    if (other !== undefined && found.length < ERRORS_MAX && !found.some((one) => one.error === other)) found.push({ error: other, role, parent });
  };
  for (let i = 0; i < found.length; i++) {
    const current = /** @type {any} */ (found[i]).error;
    if (!isErrorLike(current)) continue;
    add(property(current, 'cause'), 'cause', i);
    const suppressed = property(current, 'suppressed');
    if (suppressed !== undefined) {
      add(property(current, 'error'), 'member', i);
      add(suppressed, 'member', i);
    }
    const errors = property(current, 'errors');
    if (isArray(errors)) for (const member of errors.slice(0, ERRORS_MAX)) add(member, 'member', i);
  }
  return found;
}

/** What the host is told of a failure, whatever was thrown. @param {unknown} thrown */
function report(thrown) {
  try {
    const reason = HandlerFailure.reasonOf(thrown);
    const errors = chain(thrown).map(({ error, role, parent }) => {
      if (!isErrorLike(error)) return { role, parent, name: 'Uncaught', message: cut(typeof error === 'string' ? error : inspect(error), TEXT_CHARS_MAX), stack: '' };
      let stack = textOf(error, 'stack') ?? '';
      const frames = stack.indexOf('    at ');
      if (frames > 0) stack = stack.slice(frames);
      const [name, message, code, details] = [textOf(error, 'name') ?? 'Error', textOf(error, 'message') ?? '', textOf(error, 'code'), detailsOf(error)];
      return { role, parent, name, message, stack: reason === undefined ? stack : '', code, details };
    });
    const isOverflow = thrown instanceof RangeError && thrown.message.startsWith('Maximum call stack size exceeded');
    return { reason: reason ?? (isOverflow ? 'stack-overflow' : 'threw'), errors };
  } catch {
    return { reason: 'threw', errors: [{ role: 'thrown', parent: 0, name: 'Uncaught', message: 'an error that cannot be shown', stack: '' }] };
  }
}

// --------------------------------------------------------------------------------------------------------------- sources

/** @param {Uint8Array | undefined} bytes @returns {Source} */
function sourceOfBytes(bytes) {
  let rest = bytes !== undefined && bytes.length > 0 ? bytes : undefined;
  return {
    read: async () => {
      const chunk = rest;
      rest = undefined;
      return chunk;
    },
    cancel: () => undefined,
  };
}

/** @param {ReadableStream<any>} stream @returns {Source} */
function sourceOfStream(stream) {
  const reader = stream.getReader();
  return {
    read: async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        const bytes = typeof value === 'string' ? encoder.encode(value) : bytesOf(value);
        if (bytes === undefined) throw new TypeError('a stream of a body must give bytes or text');
        if (bytes.length > 0) return bytes;
      }
    },
    cancel: () => void quietly(() => reader.cancel()),
  };
}

/** @param {AsyncIterable<Uint8Array> & { destroy?(): void }} readable @returns {Source} */
function sourceOfReadable(readable) {
  const iterator = readable[Symbol.asyncIterator]();
  return {
    read: async () => {
      const { done, value } = await iterator.next();
      return done ? undefined : value;
    },
    cancel: () => readable.destroy?.(),
  };
}

/** @param {Source} source @param {Uint8Array} first @returns {Source} */
function after(first, source) {
  let rest = first.length > 0 ? first : undefined;
  return {
    read: async () => {
      if (rest === undefined) return source.read();
      const chunk = rest;
      rest = undefined;
      return chunk;
    },
    cancel: () => source.cancel(),
  };
}

/** @param {Source} source @param {Uint8Array[]} [chunks] @returns {Promise<Uint8Array>} */
async function readAll(source, chunks = []) {
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) chunks.push(chunk);
  return chunks.length === 1 ? /** @type {Uint8Array} */ (chunks[0]) : Buffer.concat(chunks);
}

/** The first bytes, and what comes after them. @param {Source} source @param {number} length @returns {Promise<[Uint8Array, Source]>} */
async function splitAt(source, length) {
  const chunks = [];
  let count = 0;
  while (count < length) {
    const chunk = await source.read();
    if (chunk === undefined) throw new TypeError('the head of a message ends before it is complete');
    chunks.push(chunk);
    count += chunk.length;
  }
  const all = chunks.length === 1 ? /** @type {Uint8Array} */ (chunks[0]) : Buffer.concat(chunks);
  return [all.subarray(0, length), after(all.subarray(length), source)];
}

/** @param {Source} source @returns {ReadableStream<Uint8Array>} */
function toStream(source) {
  return new SavedReadableStream({
    pull: async (controller) => {
      const chunk = await source.read();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: () => source.cancel(),
  }, { highWaterMark: 0 });
}

/** @param {any} value @returns {Uint8Array | undefined} */
function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

/** @param {() => unknown} action */
async function quietly(action) {
  try {
    await action();
  } catch {
    // It is being given up.
  }
}

// -------------------------------------------------------------------------------------------------------------- the host

const agent = new http.Agent({ keepAlive: true, maxSockets: 128, maxFreeSockets: 16 });

/**
 * @typedef {{ status: number, headBytes: number | undefined, source: Source }} HostAnswer
 */

/** @param {string} path @param {Record<string, string>} headers @param {Uint8Array | string | Source} body @param {AbortSignal | undefined} signal @returns {Promise<HostAnswer>} */
function askByNode(path, headers, body, signal) {
  return new Promise((resolve, reject) => {
    const sent = { socketPath: HOST_SOCKET_PATH, agent, method: 'POST', path, headers: { host: 'host', ...headers }, signal };
    const request = http.request(/** @type {any} */ (sent), (response) => {
      const head = response.headers[HEAD_BYTES];
      resolve({ status: response.statusCode ?? 0, headBytes: head === undefined ? undefined : Number(head), source: sourceOfReadable(response) });
    });
    request.once('error', reject);
    if (typeof body === 'string' || body instanceof Uint8Array) request.end(body);
    else void pour(body, request);
  });
}

/** @param {Source} source @param {http.ClientRequest} request */
async function pour(source, request) {
  try {
    for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
      if (request.destroyed) return source.cancel();
      if (!request.write(chunk)) await new Promise((resolve) => { request.once('drain', resolve).once('close', resolve); });
    }
    request.end();
  } catch (error) {
    request.destroy(error instanceof SavedError ? error : new SavedError('the body broke off', { cause: error }));
  }
}

/** @param {string} path @param {Record<string, string>} headers @param {Uint8Array | string | Source} body @param {AbortSignal | undefined} signal @returns {Promise<HostAnswer>} */
async function askByBun(path, headers, body, signal) {
  const isWhole = typeof body === 'string' || body instanceof Uint8Array;
  const init = { unix: HOST_SOCKET_PATH, method: 'POST', headers, body: isWhole ? body : toStream(/** @type {Source} */ (body)), signal, redirect: 'manual' };
  const response = await nativeFetch(`http://host${path}`, /** @type {any} */ (init));
  const head = response.headers.get(HEAD_BYTES);
  const source = response.body === null ? sourceOfBytes(undefined) : sourceOfStream(response.body);
  return { status: response.status, headBytes: head === null ? undefined : Number(head), source };
}

const ask = Bun === undefined ? askByNode : askByBun;

function current() {
  const invocation = storage.getStore();
  if (invocation === undefined) throw new TypeError('the sdk belongs to a call, and none is running here');
  return invocation;
}

/** @param {Invocation} invocation @param {string} capability @param {string} operation @param {Uint8Array | string | Source} body @param {number} [headBytes] @param {AbortSignal} [signal] */
async function exchange(invocation, capability, operation, body, headBytes, signal) {
  /** @type {Record<string, string>} */
  const headers = { authorization: `Bearer ${invocation.token}`, 'content-type': 'application/json' };
  if (headBytes !== undefined) headers[HEAD_BYTES] = `${headBytes}`;
  const answer = await ask(`/capability/${capability}/${operation}`, headers, body, signal);
  if (answer.status === 200) return answer;
  let error;
  try {
    ({ error } = parse(decoder.decode(await readAll(answer.source))));
  } catch {
    // The host says no more than its status.
  }
  throw new SdkError({ code: 'failed', message: `the host answered with status ${answer.status}`, ...error, capability });
}

/** Asks a capability. @param {string} capability @param {string} operation @param {unknown} args @returns {Promise<any>} */
async function operate(capability, operation, args) {
  const invocation = current();
  let answer;
  try {
    answer = await exchange(invocation, capability, operation, stringify(args));
    return parse(decoder.decode(await readAll(answer.source))).ok;
  } catch (error) {
    if (error instanceof SdkError) throw error;
    throw new SdkError({ capability, code: 'failed', message: `the host cannot be reached: ${/** @type {any} */ (error)?.message}` });
  }
}

// ------------------------------------------------------------------------------------------------------------------- sdk

/** @param {unknown} value @param {string} what */
function text(value, what) {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
  return value;
}

/** @param {unknown} value @param {string} what */
function optionalText(value, what) { return value === undefined || value === null ? undefined : text(value, what); }

/** @param {unknown} value @param {string} what @param {number} least */
function milliseconds(value, what, least) {
  if (typeof value !== 'number' || !(value >= least) || value > MS_MAX) throw new RangeError(`${what} must be a number of milliseconds, at least ${least}`);
  return Math.ceil(value);
}

/** @param {unknown} value @param {string} what */
function json(value, what) {
  const written = /** @type {string | undefined} */ (stringify(value));
  if (written === undefined) throw new TypeError(`${what} is ${value === undefined ? 'undefined' : `a ${typeof value}`}, which JSON cannot hold`);
  return written;
}

/** @param {unknown} value @param {string} what @param {readonly string[]} known @returns {Record<string, any>} */
function options(value, what, known) {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object') throw new TypeError(`${what}: the options must be an object`);
  for (const name of keys(value)) if (!known.includes(name)) throw new TypeError(`${what} has no option "${name}"`);
  return value;
}

/** @param {unknown} value @returns {unknown} */
function toSql(value) {
  switch (typeof value) {
    case 'string': return value;
    case 'boolean': return value ? 1 : 0;
    case 'bigint': return { $bigint: `${value}` };
    case 'number': return Number.isFinite(value) ? value : { $real: `${value}` };
    default: {
      if (value === null) return null;
      const bytes = bytesOf(value);
      if (bytes !== undefined) return { $bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') };
      throw new TypeError(`a parameter must be null, a number, a bigint, a string, a boolean or bytes, not ${value === undefined ? 'undefined' : typeof value}`);
    }
  }
}

/** @param {string} base64 @returns {Uint8Array} */
function fromBase64(base64) { return new Uint8Array(Buffer.from(base64, 'base64')); }

/** @param {any} value */
function fromSql(value) {
  if (typeof value !== 'object' || value === null) return value;
  if (value.$bigint !== undefined) return BigInt(value.$bigint);
  return value.$bytes !== undefined ? fromBase64(value.$bytes) : Number(value.$real);
}

/** @param {unknown} params */
function parameters(params) {
  if (params === undefined || params === null) return undefined;
  if (isArray(params)) return params.map(toSql);
  if (typeof params !== 'object') throw new TypeError('the parameters must be an array or an object');
  /** @type {Record<string, unknown>} */
  const named = { __proto__: null };
  for (const name of keys(params)) named[name] = toSql(/** @type {any} */ (params)[name]);
  return named;
}

/** The last of several columns with one name has it; the ones before it are called `name:1`, … @param {string[]} columns */
function propertyNames(columns) {
  const taken = new Set(columns);
  return columns.map((column, i) => {
    if (columns.lastIndexOf(column) === i) return column;
    let number = 1;
    while (taken.has(`${column}:${number}`)) number++;
    taken.add(`${column}:${number}`);
    return `${column}:${number}`;
  });
}

/** @param {{ columns: string[], rows: any[][] }} answer */
function toRows({ columns, rows }) {
  const names = propertyNames(columns);
  return rows.map((values) => {
    /** @type {Record<string, unknown>} */
    const row = {};
    names.forEach((name, i) => {
      if (name in Object.prototype) defineProperty(row, name, { value: fromSql(values[i]), writable: true, enumerable: true, configurable: true });
      else row[name] = fromSql(values[i]);
    });
    return row;
  });
}

/** @param {{ changes: number, lastInsertRowid: any }} answer */
function toChanges({ changes, lastInsertRowid }) { return { changes, lastInsertRowid: fromSql(lastInsertRowid) }; }

/** @param {unknown} sql @param {string} what */
function statementText(sql, what) {
  if (typeof sql !== 'string') throw new TypeError(`${what}: the SQL statement must be a string`);
  return sql;
}

/** @param {number | undefined} transaction */
function queries(transaction) {
  /** @param {string} what @param {unknown} sql @param {unknown} params */
  const run = (what, sql, params) => operate('db', what, { sql: statementText(sql, what), params: parameters(params), transaction });
  /** @param {unknown} sql @param {unknown} [params] */
  const execute = async (sql, params) => toChanges(await run('execute', sql, params));
  return freeze({
    query: /** @param {unknown} sql @param {unknown} [params] */ async (sql, params) => toRows(await run('query', sql, params)),
    queryOne: /** @param {unknown} sql @param {unknown} [params] */ async (sql, params) => toRows(await run('queryOne', sql, params))[0] ?? null,
    execute,
    exec: execute,
  });
}

/** @param {unknown} statement @param {number} i */
function toStatement(statement, i) {
  const what = `batch, statement ${i}`;
  if (typeof statement === 'string') return { sql: statement };
  if (isArray(statement)) return { sql: statementText(statement[0], what), params: parameters(statement[1]) };
  if (typeof statement === 'object' && statement !== null && 'sql' in statement) {
    return { sql: statementText(statement.sql, what), params: parameters(/** @type {any} */ (statement).params) };
  }
  throw new TypeError(`${what}: give a string, [sql, params] or { sql, params }`);
}

const db = freeze({
  ...queries(undefined),
  batch: /** @param {unknown} statements */ async (statements) => {
    if (!isArray(statements)) throw new TypeError('batch: the statements must be an array');
    return (await operate('db', 'batch', { statements: statements.map(toStatement) })).map(toChanges);
  },
  transaction: /** @param {(tx: object) => unknown} body */ async (body) => {
    if (typeof body !== 'function') throw new TypeError('transaction: give a function');
    const invocation = current();
    if (invocation.transactionIsOpen) {
      throw new SdkError({ capability: 'db', code: 'busy', message: 'a transaction of this invocation is already open: use the tx that its function was given, or await it first' });
    }
    invocation.transactionIsOpen = true;
    try {
      const transaction = await operate('db', 'begin', {});
      let value;
      try {
        value = await body(queries(transaction));
      } catch (error) {
        await quietly(() => operate('db', 'rollback', { transaction }));
        throw error;
      }
      await operate('db', 'commit', { transaction });
      return value;
    } finally {
      invocation.transactionIsOpen = false;
    }
  },
});

/** @param {unknown} value @param {string} what */
function keyText(value, what) {
  const key = text(value, what);
  if (/\p{Surrogate}/u.test(key)) throw new TypeError(`${what} is no well-formed text`);
  return key;
}

/** @param {unknown} value */
function toKv(value) {
  const bytes = bytesOf(value);
  if (bytes === undefined) return { json: json(value, 'the value') };
  return { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') };
}

/** @param {any} value */
function fromKv(value) {
  if (value === null || value === undefined) return undefined;
  return value.bytes !== undefined ? fromBase64(value.bytes) : parse(value.json);
}

/** @param {unknown} given @param {string} what */
function ttl(given, what) {
  const { ttlMs } = options(given, what, ['ttlMs']);
  return ttlMs === undefined ? undefined : milliseconds(ttlMs, 'ttlMs', 1);
}

const kv = freeze({
  get: /** @param {unknown} key */ async (key) => fromKv((await operate('kv', 'get', { keys: [keyText(key, 'the key')] }))[0]),
  mget: /** @param {unknown} all */ async (all) => {
    if (!isArray(all)) throw new TypeError('mget: the keys must be an array');
    return (await operate('kv', 'get', { keys: all.map((key, i) => keyText(key, `key ${i}`)) })).map(fromKv);
  },
  set: /** @param {unknown} key @param {unknown} value @param {unknown} [given] */ async (key, value, given) =>
    void await operate('kv', 'set', { key: keyText(key, 'the key'), value: toKv(value), ttlMs: ttl(given, 'set') }),
  delete: /** @param {unknown} key */ async (key) => operate('kv', 'delete', { key: keyText(key, 'the key') }),
  increment: /** @param {unknown} key @param {unknown} [by] @param {unknown} [given] */ async (key, by = 1, given) => {
    if (!Number.isSafeInteger(by)) throw new RangeError('increment: the number must be a safe integer');
    return operate('kv', 'increment', { key: keyText(key, 'the key'), by, ttlMs: ttl(given, 'increment') });
  },
  compareAndSet: /** @param {unknown} key @param {unknown} expected @param {unknown} value @param {unknown} [given] */ async (key, expected, value, given) =>
    operate('kv', 'compareAndSet', {
      key: keyText(key, 'the key'), expected: expected === undefined ? null : toKv(expected), value: value === undefined ? null : toKv(value), ttlMs: ttl(given, 'compareAndSet'),
    }),
  list: /** @param {unknown} [given] */ async (given) => {
    const { prefix = '', cursor, limit = 100 } = options(given, 'list', ['prefix', 'cursor', 'limit']);
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 32 - 1) throw new RangeError('list: the limit must be a whole number, at least 1');
    const afterKey = optionalText(cursor, 'cursor');
    const { keys: found, hasMore } = await operate('kv', 'list', { prefix: keyText(prefix, 'prefix'), after: afterKey, limit });
    return { keys: found, cursor: hasMore ? found[found.length - 1] : undefined };
  },
});

const secrets = freeze({
  get: /** @param {unknown} name */ async (name) => (await operate('secrets', 'get', { name: text(name, 'the name') })) ?? undefined,
});

const config = freeze({
  get: /** @param {unknown} name */ (name) => {
    const all = current().config;
    const key = text(name, 'the name');
    return hasOwn(all, key) ? all[key] : undefined;
  },
});

const events = freeze({
  publish: /** @param {unknown} name @param {unknown} [payload] @param {unknown} [given] */ async (name, payload = null, given) => {
    const { key, orderKey, delayMs = 0 } = options(given, 'publish', ['key', 'orderKey', 'delayMs']);
    const written = json(payload, 'the payload');
    const delay = milliseconds(delayMs, 'delayMs', 0);
    return operate('events', 'publish', { name: text(name, 'the name'), payload: written, key: optionalText(key, 'key'), orderKey: optionalText(orderKey, 'orderKey'), delayMs: delay });
  },
});

/** @param {unknown} handler @param {unknown} payload @param {Record<string, any>} given @param {number | undefined} atMs */
async function enqueue(handler, payload, { delayMs = 0, priority = 0, key }, atMs) {
  if (!Number.isInteger(priority) || priority < -100 || priority > 100) throw new RangeError('priority must be a whole number from -100 to 100');
  const delay = milliseconds(delayMs, 'delayMs', 0);
  return operate('jobs', 'enqueue', { handler: text(handler, 'the handler'), payload: json(payload, 'the payload'), delayMs: delay, atMs, priority, key: optionalText(key, 'key') });
}

const jobs = freeze({
  enqueue: /** @param {unknown} handler @param {unknown} [payload] @param {unknown} [given] */ async (handler, payload = null, given) =>
    enqueue(handler, payload, options(given, 'enqueue', ['delayMs', 'priority', 'key']), undefined),
  schedule: /** @param {unknown} handler @param {unknown} at @param {unknown} [payload] @param {unknown} [given] */ async (handler, at, payload = null, given) =>
    enqueue(handler, payload, options(given, 'schedule', ['priority', 'key']), milliseconds(at instanceof Date ? at.getTime() : at, 'the time', 0)),
  cancel: /** @param {unknown} id */ async (id) => operate('jobs', 'cancel', { id: text(id, 'the id') }),
  progress: /** @param {unknown} progress */ async (progress) => void await operate('jobs', 'progress', { progress: json(progress, 'the progress') }),
});

/** @param {string} _key @param {unknown} value */
function replaceField(_key, value) {
  if (typeof value === 'bigint') return `${value}`;
  return value instanceof SavedError ? inspect(value) : value;
}

/** What a log can keep of a field. @param {unknown} value @returns {unknown} */
function plain(value) {
  try {
    const written = /** @type {string | undefined} */ (stringify(value, replaceField));
    if (written !== undefined && written.length <= TEXT_CHARS_MAX) return parse(written);
    return cut(written ?? inspect(value), TEXT_CHARS_MAX);
  } catch {
    return cut(inspect(value), TEXT_CHARS_MAX);
  }
}

/** @param {unknown} fields @returns {Record<string, unknown> | undefined} */
function fieldsOf(fields) {
  if (fields === undefined) return undefined;
  if (typeof fields !== 'object' || fields === null || fields instanceof SavedError) return { value: plain(fields) };
  /** @type {Record<string, unknown>} */
  const all = { __proto__: null };
  const names = keys(fields);
  const count = names.length > FIELDS_MAX ? FIELDS_MAX - 1 : names.length;
  for (const name of names.slice(0, count)) {
    try {
      all[cut(name, 128)] = plain(/** @type {any} */ (fields)[name]);
    } catch (error) {
      all[name] = `<unreadable: ${inspect(error, { depth: 0 })}>`;
    }
  }
  if (count < names.length) all['fieldsDropped'] = names.length - count;
  return all;
}

/** @param {string} origin @param {string} level @param {unknown} message @param {unknown} fields */
function writeLine(origin, level, message, fields) {
  const line = { level, origin, message: cut(typeof message === 'string' ? message : inspect(message), MESSAGE_CHARS_MAX), fields: fieldsOf(fields), atMs: now() };
  const invocation = storage.getStore();
  if (invocation === undefined || invocation.isOver) writeOut(line);
  else invocation.log(line);
}

/** A line that belongs to no call. @param {LogLine} line */
function writeOut({ level, message, fields }) {
  let rest = encoder.encode(`${stringify({ level, message, ...fields })}\n`);
  for (let tries = 0; rest.length > 0 && tries < 1_000; tries++) {
    try {
      rest = rest.subarray(writeSync(level === 'error' || level === 'warn' ? 2 : 1, rest));
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'EAGAIN') return;
    }
  }
}

const log = freeze({
  debug: /** @param {unknown} message @param {unknown} [fields] */ (message, fields) => writeLine('sdk', 'debug', message, fields),
  info: /** @param {unknown} message @param {unknown} [fields] */ (message, fields) => writeLine('sdk', 'info', message, fields),
  warn: /** @param {unknown} message @param {unknown} [fields] */ (message, fields) => writeLine('sdk', 'warn', message, fields),
  error: /** @param {unknown} message @param {unknown} [fields] */ (message, fields) => writeLine('sdk', 'error', message, fields),
});

/** @param {unknown} data */
function cryptoBytes(data) {
  const bytes = typeof data === 'string' ? encoder.encode(data) : bytesOf(data);
  if (bytes === undefined) throw new TypeError('give text or bytes');
  return bytes;
}

const crypto = freeze({
  sha256Hex: /** @param {unknown} data */ (data) => createHash('sha256').update(cryptoBytes(data)).digest('hex'),
  hmacSha256Hex: /** @param {unknown} key @param {unknown} data */ (key, data) => createHmac('sha256', cryptoBytes(key)).update(cryptoBytes(data)).digest('hex'),
  timingSafeEqual: /** @param {unknown} a @param {unknown} b */ (a, b) => {
    const [left, right] = [cryptoBytes(a), cryptoBytes(b)];
    return left.length === right.length && timingSafeEqual(left, right);
  },
});

// ------------------------------------------------------------------------------------------------------------------ http

/** @param {any} input @param {any} init @returns {Promise<Response>} */
async function fetchByHost(input, init) {
  const invocation = current();
  const { timeoutMs, ...rest } = init ?? {};
  const isStream = rest.body instanceof SavedReadableStream || typeof rest.body?.[Symbol.asyncIterator] === 'function';
  const request = new NativeRequest(input, isStream ? { ...rest, duplex: 'half' } : rest);
  if (request.url.startsWith('data:') || request.url.startsWith('blob:')) return nativeFetch(request);
  request.signal.throwIfAborted();
  const head = stringify({
    method: request.method, url: request.url, headers: [...request.headers], redirect: request.redirect, hasBody: request.body !== null,
    timeoutMs: timeoutMs === undefined ? undefined : milliseconds(timeoutMs, 'timeoutMs', 1),
  });
  const headBytes = encoder.encode(head);
  /** @type {Uint8Array | Source} */
  let body = headBytes;
  if (request.body !== null) {
    const streams = isStream || (rest.body === undefined && input instanceof NativeRequest);
    body = streams ? after(headBytes, sourceOfStream(request.body)) : Buffer.concat([headBytes, new Uint8Array(await request.arrayBuffer())]);
  }
  const answer = await exchange(invocation, 'http', 'fetch', body, headBytes.length, request.signal);
  const [answerHead, source] = await splitAt(answer.source, answer.headBytes ?? 0);
  const { status, statusText, url, redirected, headers } = parse(decoder.decode(answerHead));
  const isEmpty = status === 204 || status === 205 || status === 304 || request.method === 'HEAD';
  if (isEmpty) source.cancel();
  const response = new NativeResponse(isEmpty ? null : toStream(source), { status, statusText, headers });
  defineProperty(response, 'url', { value: url, configurable: true });
  defineProperty(response, 'redirected', { value: redirected === true, configurable: true });
  return response;
}

/** @param {unknown} error @returns {any} */
function isAbort(error) { return /** @type {any} */ (error)?.name === 'AbortError' || /** @type {any} */ (error)?.name === 'TimeoutError'; }

/** @param {any} input @param {any} [init] */
async function globalFetch(input, init) {
  try {
    return await fetchByHost(input, init);
  } catch (error) {
    const signal = init?.signal ?? (input instanceof NativeRequest ? input.signal : undefined);
    if (signal?.aborted) throw signal.reason;
    if (isAbort(error) || error instanceof TypeError) throw error;
    const { code, message } = /** @type {any} */ (error) ?? {};
    throw new TypeError(`fetch failed (${code ?? 'failed'}): ${message}`, { cause: error });
  }
}

/** @param {any} input @param {any} [init] */
async function sdkFetch(input, init) {
  try {
    return await fetchByHost(input, init);
  } catch (error) {
    if (init?.signal?.aborted) throw init.signal.reason;
    if (error instanceof SdkError || isAbort(error) || error instanceof TypeError || error instanceof RangeError) throw error;
    throw new SdkError({ capability: 'http', code: 'failed', message: /** @type {any} */ (error)?.message ?? `${error}` });
  }
}

/** @param {string} method @param {any} url @param {any} body @param {any} [given] */
async function send(method, url, body, given = {}) {
  const { query, ...init } = given;
  const target = new URL(`${url}`);
  if (query !== undefined) for (const [name, value] of new SavedURLSearchParams(query)) target.searchParams.append(name, value);
  const headers = new Headers(init.headers);
  const isRaw = body === undefined || typeof body === 'string' || body instanceof SavedURLSearchParams || bytesOf(body) !== undefined || body instanceof SavedReadableStream
    || typeof body?.[Symbol.asyncIterator] === 'function';
  if (!isRaw && !headers.has('content-type')) headers.set('content-type', 'application/json');
  return sdkFetch(target, { ...init, method, headers, body: isRaw ? body : json(body, 'the body') });
}

const httpFace = freeze({
  fetch: sdkFetch,
  get: /** @param {any} url @param {any} [given] */ (url, given) => send('GET', url, undefined, given),
  delete: /** @param {any} url @param {any} [given] */ (url, given) => send('DELETE', url, undefined, given),
  post: /** @param {any} url @param {any} [body] @param {any} [given] */ (url, body, given) => send('POST', url, body, given),
  put: /** @param {any} url @param {any} [body] @param {any} [given] */ (url, body, given) => send('PUT', url, body, given),
  patch: /** @param {any} url @param {any} [body] @param {any} [given] */ (url, body, given) => send('PATCH', url, body, given),
});

/** Looks like an object without members to whoever only asks; a name that is read and is not there is a mistake. @param {(name: string) => unknown} find @param {(name: string) => string} missing */
function strict(find, missing) {
  // What every object has, and what promises and JSON ask each for.
  const isPlain = (/** @type {PropertyKey} */ name) => typeof name !== 'string' || name === 'then' || name === 'toJSON' || hasOwn(Object.prototype, name);
  return new Proxy(freeze({}), {
    has: (_, name) => (isPlain(name) ? name in Object.prototype : find(/** @type {string} */ (name)) !== undefined),
    get: (_, name) => {
      if (isPlain(name)) return /** @type {any} */ (Object.prototype)[name];
      const found = find(/** @type {string} */ (name));
      if (found === undefined) throw new TypeError(missing(/** @type {string} */ (name)));
      return found;
    },
  });
}

/** @param {string} capability @param {string} name @param {unknown[]} given */
async function callCustom(capability, name, given) {
  if (given.length > 1) throw new TypeError(`sdk.${capability}.${name} takes one argument, not ${given.length}: give it an object`);
  const argument = json(given[0] === undefined ? null : given[0], 'the argument');
  try {
    return parse(await operate('custom', 'call', { capability, function: name, argument }));
  } catch (error) {
    throw error instanceof SdkError ? new SdkError({ ...error, message: error.message, capability }) : error;
  }
}

/** What the program that embeds the host has added, by the names that were granted to the running call. @param {string} capability */
function customFace(capability) {
  const functions = storage.getStore()?.head.context.custom?.[capability];
  if (functions === undefined) return undefined;
  const face = Object.create(strict(() => undefined, (name) => `sdk.${capability} has no function "${name}"; it has: ${functions.join(', ')}`));
  for (const name of functions) defineProperty(face, name, { value: /** @param {unknown[]} given */ (...given) => callCustom(capability, name, given), enumerable: true });
  return freeze(face);
}

/** @param {string} name */
function missingCustom(name) {
  const names = keys(storage.getStore()?.head.context.custom ?? {});
  const has = names.length === 0 ? 'nothing of it is granted here' : `granted are: ${names.join(', ')}`;
  return `sdk has no capability "${name}". What the host has of its own is asked for by permissions.custom of the manifest; ${has}`;
}

const sdk = freeze(Object.assign(Object.create(strict(customFace, missingCustom)), { db, http: httpFace, kv, secrets, config, events, jobs, log, crypto, SdkError }));
const env = freeze({ sdk });

// ------------------------------------------------------------------------------------------------------------ responses

/** What a response was made with, when it is no stream: then it can be sent in one piece. @type {WeakMap<object, string | Uint8Array | undefined>} */
const wholes = new WeakMap();

/** @param {any} body @returns {body is string | Uint8Array | ArrayBuffer | null | undefined} */
function isWhole(body) { return body === undefined || body === null || typeof body === 'string' || bytesOf(body) !== undefined; }

/** @param {object} response @param {any} body */
function remember(response, body) {
  // Bytes are copied: the applet may go on writing to them.
  const bytes = typeof body === 'string' ? body : bytesOf(body)?.slice();
  wholes.set(response, bytes);
}

const responseJson = freeze(/** @param {any} value @param {any} [init] */ (value, init) => {
  const body = json(value, 'the value');
  const headers = new Headers(init?.headers);
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  const response = new NativeResponse(body, { ...init, headers });
  wholes.set(response, body);
  return response;
});

const AppletResponse = new Proxy(NativeResponse, {
  construct(target, args, newTarget) {
    const response = Reflect.construct(target, args, newTarget === AppletResponse ? target : newTarget);
    if (isWhole(args[0])) remember(response, args[0]);
    return response;
  },
  get(target, name, receiver) { return name === 'json' ? responseJson : Reflect.get(target, name, receiver === AppletResponse ? target : receiver); },
});

/** @param {unknown} value @returns {value is Response} */
function isResponse(value) { return typeof value === 'object' && value !== null && value instanceof NativeResponse; }

/** @param {number} status @param {string} code @param {unknown} message @param {string} fallback */
function problem(status, code, message, fallback) {
  return responseJson({ error: { code, message: message === undefined ? fallback : `${message}` } }, { status });
}

const helpers = {
  json: /** @param {unknown} value @param {number} [status] */ (value, status = 200) => responseJson(value, { status }),
  text: /** @param {unknown} value @param {number} [status] */ (value, status = 200) => new AppletResponse(`${value}`, { status }),
  badRequest: /** @param {unknown} [message] */ (message) => problem(400, 'bad_request', message, 'bad request'),
  unauthorized: /** @param {unknown} [message] */ (message) => problem(401, 'unauthorized', message, 'unauthorized'),
  forbidden: /** @param {unknown} [message] */ (message) => problem(403, 'forbidden', message, 'forbidden'),
  notFound: /** @param {unknown} [message] */ (message) => problem(404, 'not_found', message, 'not found'),
  conflict: /** @param {unknown} [message] */ (message) => problem(409, 'conflict', message, 'conflict'),
};

// ----------------------------------------------------------------------------------------------------------- invocations

/** @template T @param {T} value @returns {T} */
function deepFreeze(value) {
  if (typeof value !== 'object' || value === null) return value;
  for (const name of keys(value)) deepFreeze(/** @type {any} */ (value)[name]);
  return freeze(value);
}

/** One call: what it was called with, what it waits for, what it has logged. */
class Invocation {
  /** @param {any} head @param {Uint8Array | undefined} body @param {Source | undefined} stream */
  constructor(head, body, stream) {
    this.head = head;
    this.token = /** @type {string} */ (head.token);
    this.body = body;
    this.stream = stream;
    this.controller = new AbortController();
    this.config = deepFreeze(head.context.config ?? {});
    /** @type {Promise<void>[]} */
    this.waits = [];
    /** @type {LogLine[]} */
    this.lines = [];
    this.lineCount = 0;
    this.transactionIsOpen = false;
    this.isOver = false;
    /** @type {Request | undefined} */
    this.request = undefined;
    /** @type {Promise<void> | undefined} */
    this.flushing = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {Batch | undefined} */
    this.batch = undefined;
    this.context = makeContext(this);
  }

  /** The HTTP request; undefined when the handler was called with a value. */
  currentRequest() {
    const { request } = this.head;
    if (request === undefined || this.request !== undefined) return this.request;
    const { method, url, headers, hasBody } = request;
    const carries = hasBody && method !== 'GET' && method !== 'HEAD';
    const body = !carries ? undefined : this.stream === undefined ? this.body : toStream(this.stream);
    const init = { method, headers, signal: this.controller.signal, body, ...(this.stream === undefined ? {} : { duplex: 'half' }) };
    return (this.request = new NativeRequest(url, /** @type {any} */ (init)));
  }

  /** @param {unknown} value */
  waitUntil(value) {
    this.waits.push((async () => {
      try {
        await value;
      } catch (reason) {
        this.log({ level: 'error', origin: 'console', message: cut(`waitUntil: ${inspect(reason)}`, MESSAGE_CHARS_MAX), atMs: now() });
      }
    })());
  }

  async settleWaits() {
    while (this.waits.length > 0) {
      const batch = this.waits;
      this.waits = [];
      for (const wait of batch) await wait;
    }
  }

  /** @param {LogLine} line */
  log(line) {
    if (++this.lineCount > LINES_MAX) return;
    this.lines.push(line);
    // What takes long is seen while it goes on; the rest goes out with the answer.
    if (this.timer === undefined) this.timer = setTimeout(() => void this.flush(), FLUSH_MS);
  }

  /** The lines that have not been sent. */
  takeLines() {
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.timer = undefined;
    const lines = this.lines;
    this.lines = [];
    return lines;
  }

  async flush() {
    await this.flushing;
    const lines = this.takeLines();
    if (lines.length === 0) return;
    this.flushing = quietly(async () => {
      const answer = await exchange(this, 'log', 'write', stringify({ lines }));
      await readAll(answer.source);
    });
    await this.flushing;
  }

  /** Nothing is sent for it any more. */
  end() {
    this.isOver = true;
    if (this.timer !== undefined) clearTimeout(this.timer);
    if (this.lineCount > LINES_MAX) writeOut({ level: 'warn', origin: 'host', message: `${this.lineCount - LINES_MAX} lines of an invocation were dropped`, atMs: now() });
  }

  /** The host has given it up. */
  abort() {
    if (this.isOver) return;
    this.end();
    this.controller.abort(new DOMException('the call was given up: its deadline has passed or its caller has gone', 'AbortError'));
  }
}

/** @param {Invocation} invocation */
function makeContext(invocation) {
  const { context } = invocation.head;
  const params = freeze({ __proto__: null, ...context.params });
  const data = {
    tenant: context.tenant, user: context.user, organisation: context.organisation, permissions: freeze(context.permissions ?? []), locale: context.locale,
    applet: context.applet, version: context.version, handler: context.handler, trigger: context.trigger, invocationId: context.invocationId,
    deadline: context.deadline, params, attempt: context.attempt ?? 1,
  };
  const all = {
    ...data,
    config: invocation.config, eventId: context.eventId, jobId: context.jobId, sdk,
    get request() { return invocation.currentRequest(); },
    get signal() { return invocation.controller.signal; },
    waitUntil: /** @param {unknown} value */ (value) => invocation.waitUntil(value),
    ...helpers,
  };
  defineProperty(all, 'toJSON', { value: () => data });
  defineProperty(all, inspect.custom, { value: () => data });
  return freeze(all);
}

/** @param {unknown} error */
function invalidJson(error) { return new HandlerFailure('invalid-payload', `the payload is not JSON: ${error instanceof SyntaxError ? error.message : 'it cannot be parsed'}`); }

/** @param {string} source */
function parsePayload(source) {
  try {
    return parse(source);
  } catch (error) {
    throw invalidJson(error);
  }
}

/** @param {readonly [string, string][]} headers */
function isJsonType(headers) {
  const found = headers.find(([name]) => name.toLowerCase() === 'content-type');
  const type = found?.[1].toLowerCase().split(';')[0]?.trim();
  return type === 'application/json' || (type?.endsWith('+json') ?? false);
}

/** The second argument of `(context, payload)`. @param {Invocation} invocation @param {boolean} strict */
function payloadOf({ head, body }, strict) {
  if (head.request === undefined) {
    if (head.messages === undefined) return head.payload;
    if (head.messages.length !== 1) {
      throw new HandlerFailure('handler-not-found', `the handler "${head.handler}" takes one message at a time, not ${head.messages.length}: only queue(batch, env, ctx) takes several`);
    }
    return parsePayload(head.messages[0].json);
  }
  if (body === undefined || body.length === 0) return undefined;
  const source = decoder.decode(body);
  if (!isJsonType(head.request.headers)) return source;
  try {
    return parse(source);
  } catch (error) {
    if (strict) throw invalidJson(error);
    return source;
  }
}

/** What queue(batch, env, ctx) is called with. Of a message the first word counts. */
class Batch {
  /** @param {Invocation} invocation */
  constructor({ head }) {
    this.queue = head.handler;
    const { eventId, invocationId, attempt } = head.context;
    const parts = head.messages ?? [{ id: eventId ?? invocationId, publishedMs: now(), attempt: attempt ?? 1, payload: head.payload }];
    this.messages = freeze(parts.map((/** @type {any} */ part) => this.#message(part)));
    this.isAnswered = head.messages !== undefined;
  }
  /** @type {{ id: string, said: string, delayMs: number | undefined }[]} */
  #verdicts = [];
  /** @param {any} part */
  #message({ id, publishedMs, attempt, json: source, payload }) {
    const verdict = { id, said: 'nothing', /** @type {number | undefined} */ delayMs: undefined };
    this.#verdicts.push(verdict);
    const body = source === undefined ? payload : parsePayload(source);
    return freeze({ id, timestamp: new Date(publishedMs), attempts: attempt, body, ack: () => this.#ack(verdict), retry: (/** @type {unknown} */ given) => this.#retry(verdict, given) });
  }
  /** @param {{ said: string }} verdict */
  #ack(verdict) { if (verdict.said === 'nothing') verdict.said = 'ack'; }
  /** @param {{ said: string, delayMs: number | undefined }} verdict @param {unknown} given */
  #retry(verdict, given) {
    const { delaySeconds } = options(given, 'retry', ['delaySeconds']);
    if (delaySeconds !== undefined && (typeof delaySeconds !== 'number' || !(delaySeconds >= 0) || delaySeconds > SECONDS_MAX)) {
      throw new RangeError(`retry: delaySeconds must be a number from 0 to ${SECONDS_MAX}`);
    }
    if (verdict.said !== 'nothing') return;
    verdict.said = 'retry';
    verdict.delayMs = delaySeconds === undefined ? undefined : Math.floor(delaySeconds * 1000);
  }
  ackAll() { for (const verdict of this.#verdicts) this.#ack(verdict); }
  /** @param {unknown} [given] */
  retryAll(given) { for (const verdict of this.#verdicts) this.#retry(verdict, given); }
  /** @param {Batch} batch */
  static wanted(batch) { return batch.#verdicts.filter(({ said }) => said === 'retry').map(({ id, delayMs }) => ({ id, delayMs })); }
}

// -------------------------------------------------------------------------------------------------------------- handlers

/** @typedef {(...args: unknown[]) => unknown} Handler */

/** @param {any} object @param {string} name @returns {Handler | undefined} */
function member(object, name) {
  const value = object[name];
  return typeof value === 'function' ? value : undefined;
}

/** @param {any} object @param {Invocation} invocation */
function callObject(object, invocation) {
  const { head, context } = invocation;
  if (head.request !== undefined) {
    const handler = member(object, 'fetch');
    if (handler !== undefined) return Reflect.apply(handler, object, [invocation.currentRequest(), env, context]);
  } else if (head.context.trigger === 'schedule') {
    const handler = member(object, 'scheduled');
    if (handler !== undefined) {
      const payload = payloadOf(invocation, true);
      const event = { type: 'scheduled', cron: '', scheduledTime: now() };
      return Reflect.apply(handler, object, [typeof payload === 'object' && payload !== null && !isArray(payload) ? { ...event, ...payload } : event, env, context]);
    }
  } else if (head.context.trigger === 'event') {
    const handler = member(object, 'queue');
    if (handler !== undefined) return Reflect.apply(handler, object, [(invocation.batch = new Batch(invocation)), env, context]);
  }
  const found = ['fetch', 'scheduled', 'queue'].filter((name) => member(object, name) !== undefined);
  const what = head.request !== undefined ? 'an HTTP request' : `a JSON payload (trigger ${head.context.trigger})`;
  const hint = head.request === undefined && member(object, 'fetch') !== undefined ? '; call it with an HTTP request' : '';
  throw new HandlerFailure('handler-not-found', `the default export has ${found.length === 0 ? 'no fetch, scheduled or queue' : `only ${found.join(', ')}`}, but was called with ${what}${hint}`);
}

/** @param {any} namespace @param {Invocation} invocation @returns {Promise<{ value: unknown, mustRespond: boolean }>} */
async function callHandler(namespace, invocation) {
  const { head, context } = invocation;
  const name = head.export;
  let target = name in namespace ? namespace[name] : namespace.default;
  let self;
  if (typeof target === 'object' && target !== null && hasOwn(target, name) && name !== 'fetch') {
    const own = member(target, name);
    if (own !== undefined) [self, target] = [target, own];
  }
  if (typeof target === 'function') {
    if (invocation.stream !== undefined) {
      if (target.length === 1) return { value: await Reflect.apply(target, self, [context]), mustRespond: false };
      invocation.body = await readAll(invocation.stream);
      invocation.stream = undefined;
    }
    return { value: await Reflect.apply(target, self, [context, payloadOf(invocation, target.length >= 2)]), mustRespond: false };
  }
  if (typeof target === 'object' && target !== null) return { value: await callObject(target, invocation), mustRespond: head.request !== undefined };
  const found = 'default' in namespace ? 'and the default export is neither a function nor an object' : 'and there is no default export';
  throw new HandlerFailure('handler-not-found', `the applet has no function "${name}" for the handler "${head.handler}", ${found}`);
}

/** Where in a value JSON cannot hold it. @param {unknown} value @param {string} path @param {object[]} parents @returns {string | undefined} */
function culprit(value, path, parents) {
  if (typeof value === 'bigint') return `a BigInt at ${path}: turn it into a string or a number`;
  if (typeof value !== 'object' || value === null || parents.length >= 64) return undefined;
  if (parents.includes(value)) return `a cycle: ${path} is an object that contains it`;
  for (const name of keys(value)) {
    const step = isArray(value) ? `[${name}]` : /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${stringify(name)}]`;
    const found = culprit(/** @type {any} */ (value)[name], path + step, [...parents, value]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** @param {unknown} value */
function toJson(value) {
  let source;
  try {
    source = /** @type {string | undefined} */ (stringify(value));
  } catch (error) {
    let found;
    try {
      found = culprit(value, 'result', []);
    } catch {
      // What the applet's getter threw says more.
    }
    if (found === undefined) throw error;
    throw new HandlerFailure('invalid-result', `the result cannot be sent as JSON: it holds ${found}`);
  }
  if (source === undefined) throw new HandlerFailure('invalid-result', `the result cannot be sent as JSON: it is a ${typeof value}; return a value, a Response, or nothing`);
  return source;
}

/** @typedef {{ status: number, headers: Record<string, string>, body: Uint8Array | AsyncGenerator<Uint8Array> }} Outgoing */

/** @param {Record<string, unknown>} head @param {string | Uint8Array} [body] @returns {Outgoing} */
function outgoing(head, body) {
  const headText = stringify(head);
  const headBytes = encoder.encode(headText);
  const bodyBytes = body === undefined ? undefined : typeof body === 'string' ? encoder.encode(body) : body;
  const all = bodyBytes === undefined || bodyBytes.length === 0 ? headBytes : Buffer.concat([headBytes, bodyBytes]);
  return { status: 200, headers: { [HEAD_BYTES]: `${headBytes.length}` }, body: all };
}

/** @param {Response} response */
function checkResponse(response) {
  if (response.status < 200 || response.status > 599) throw new HandlerFailure('invalid-result', `a handler cannot answer with status ${response.status} (Response.error() is for fetch)`);
  if (response.bodyUsed || response.body?.locked) {
    throw new HandlerFailure('invalid-result', 'the body of the Response has already been read, or is locked to a reader: return response.clone() or a new Response');
  }
}

/** @param {Invocation} invocation @param {Response} response @returns {Promise<Outgoing>} */
async function outgoingResponse(invocation, response) {
  checkResponse(response);
  const isKnown = wholes.has(response) || response.body === null;
  const known = wholes.get(response) ?? '';
  const source = isKnown ? sourceOfBytes(undefined) : sourceOfStream(response.body);
  // A page without anything that is late is there at once: it is one piece, and costs as much as one.
  const taken = isKnown ? { bytes: typeof known === 'string' ? encoder.encode(known) : known, reading: source.read(), isOver: true } : await take(source, source.read());
  const head = { kind: 'response', status: response.status, headers: [...response.headers], logs: invocation.takeLines() };
  if (taken.isOver && invocation.waits.length === 0) {
    invocation.end();
    return outgoing({ ...head, bodyBytes: taken.bytes.length }, taken.bytes);
  }
  const headBytes = encoder.encode(stringify(head));
  return { status: 200, headers: { [HEAD_BYTES]: `${headBytes.length}` }, body: frames(invocation, headBytes, source, taken) };
}

/** @typedef {{ bytes: Uint8Array, reading: Promise<Uint8Array | undefined>, isOver: boolean }} Taken what was there, and the read that was not answered */

/** What a source gives at once. @param {Source} source @param {Promise<Uint8Array | undefined>} reading @returns {Promise<Taken>} */
async function take(source, reading) {
  /** @type {Uint8Array[]} */
  const chunks = [];
  for (let bytes = 0; ; reading = source.read()) {
    /** @type {{ chunk: Uint8Array | undefined } | undefined} */
    let next;
    reading.then((chunk) => { next = { chunk }; }, () => {});
    for (let tick = 0; tick < TICKS && next === undefined; tick++) await undefined;
    if (next?.chunk === undefined || bytes >= FRAME_BYTES) {
      const all = chunks.length === 1 ? /** @type {Uint8Array} */ (chunks[0]) : Buffer.concat(chunks);
      return { bytes: all, reading, isOver: next !== undefined && next.chunk === undefined };
    }
    chunks.push(next.chunk);
    bytes += next.chunk.length;
  }
}

/** @param {number} length @param {Uint8Array} [bytes] @returns {Uint8Array} */
function frame(length, bytes) {
  const all = Buffer.allocUnsafe(4 + (bytes?.length ?? 0));
  all.writeUInt32BE(length, 0);
  if (bytes !== undefined) all.set(bytes, 4);
  return all;
}

/** Head, body and end of a streamed answer; it goes on until what was given to waitUntil is done. @param {Invocation} invocation @param {Uint8Array} head @param {Source} source @param {Taken} taken */
async function* frames(invocation, head, source, taken) {
  let complete = false;
  try {
    yield head;
    for (let { bytes, reading, isOver } = taken; ; ) {
      for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
        const piece = bytes.subarray(at, at + FRAME_BYTES);
        yield frame(piece.length, piece);
      }
      const chunk = isOver ? undefined : await reading;
      if (chunk === undefined) break;
      const more = await take(source, source.read());
      bytes = more.bytes.length === 0 ? chunk : Buffer.concat([chunk, more.bytes]);
      ({ reading, isOver } = more);
    }
    complete = true;
    await invocation.flush();
    yield frame(0);
    await invocation.settleWaits();
    await invocation.flush();
  } catch (error) {
    await invocation.flush();
    const told = encoder.encode(stringify(report(error)));
    yield frame(BROKEN, frame(told.length, told));
  } finally {
    if (!complete) source.cancel();
    invocation.end();
  }
}

/** @param {any} namespace @param {Invocation} invocation @returns {Promise<Outgoing>} */
async function run(namespace, invocation) {
  const { head } = invocation;
  try {
    let value;
    let mustRespond;
    try {
      ({ value, mustRespond } = await callHandler(namespace, invocation));
    } catch (error) {
      await invocation.settleWaits();
      throw error;
    }
    const { batch } = invocation;
    const retries = batch === undefined ? [] : Batch.wanted(batch);
    if (head.request !== undefined) {
      if (isResponse(value)) return await outgoingResponse(invocation, value);
      if (!mustRespond) return await outgoingResponse(invocation, value === undefined ? new AppletResponse(null, { status: 204 }) : jsonResponse(toJson(value)));
    }
    await invocation.settleWaits();
    await invocation.flushing;
    if (batch?.isAnswered) return finished(invocation, stringify({ retry: retries }));
    if (retries.length > 0) throw new SavedError('the queue handler asked for a retry');
    if (isResponse(value)) return await outgoingResponse(invocation, value);
    if (mustRespond) throw new HandlerFailure('invalid-result', `fetch() must return a Response, not ${value === null ? 'null' : `a value of type ${typeof value}`}`);
    return finished(invocation, value === undefined ? undefined : toJson(value));
  } catch (error) {
    await invocation.flushing;
    const answer = outgoing({ kind: 'error', error: report(error), logs: invocation.takeLines() });
    invocation.end();
    return answer;
  }
}

/** @param {string} source */
function jsonResponse(source) { return new AppletResponse(source, { headers: { 'content-type': 'application/json' } }); }

/** @param {Invocation} invocation @param {string | undefined} source */
function finished(invocation, source) {
  const logs = invocation.takeLines();
  invocation.end();
  if (source === undefined) return outgoing({ kind: 'none', logs });
  const bytes = encoder.encode(source);
  return outgoing({ kind: 'value', bodyBytes: bytes.length, logs }, bytes);
}

// -------------------------------------------------------------------------------------------------------------- requests

/**
 * @typedef {{
 *   method: string, path: string, header(name: string): string | undefined, whole(): Promise<Uint8Array>, source(): Source, onAbort(action: () => void): void,
 * }} Incoming
 */

/** @param {any} namespace @param {Incoming} incoming @returns {Promise<Outgoing>} */
async function invoke(namespace, incoming) {
  const length = incoming.header('content-length');
  const declared = incoming.header(HEAD_BYTES);
  let head;
  let body;
  let stream;
  if (length !== undefined && Number(length) <= WHOLE_BYTES_MAX) {
    const all = await incoming.whole();
    const headBytes = declared === undefined ? all.length : Number(declared);
    head = all.subarray(0, headBytes);
    body = all.subarray(headBytes);
  } else {
    [head, stream] = await splitAt(incoming.source(), Number(declared));
  }
  const parsed = parse(decoder.decode(head));
  if (parsed.request?.hasBody !== true) stream = undefined;
  const invocation = new Invocation(parsed, body, stream);
  incoming.onAbort(() => invocation.abort());
  // Awaited here: an applet may have replaced `then` of promises.
  return await storage.run(invocation, run, namespace, invocation);
}

/** @param {any} namespace */
async function health(namespace) {
  let status = 'ok';
  let error;
  try {
    const check = namespace.__health__ ?? namespace.default?.__health__;
    const said = typeof check === 'function' ? await check() : undefined;
    if (said === false) status = 'unhealthy';
    else if (typeof said === 'string') status = said;
    else if (typeof said === 'object' && said !== null) {
      if (said.status !== undefined) status = `${said.status}`;
      if (said.error !== undefined && said.error !== null) error = `${said.error?.message ?? said.error}`;
    }
  } catch (thrown) {
    status = 'unhealthy';
    error = `${/** @type {any} */ (thrown)?.message ?? thrown}`;
  }
  const isWell = status === 'ok' || status === 'healthy' || status === 'pass' || status === 'up';
  return { status: isWell ? 200 : 503, headers: { 'content-type': 'application/json' }, body: encoder.encode(stringify({ status, error })) };
}

/** @param {any} namespace @param {Incoming} incoming @returns {Promise<Outgoing>} */
async function answer(namespace, incoming) {
  try {
    if (incoming.method === 'POST' && incoming.path === '/invoke') return await invoke(namespace, incoming);
    if (incoming.method === 'GET' && incoming.path === '/health') return await health(namespace);
    if (incoming.method === 'GET' && incoming.path === '/alive') return { status: 204, headers: {}, body: new Uint8Array() };
    return { status: 404, headers: {}, body: encoder.encode('POST /invoke, GET /health and GET /alive are answered here\n') };
  } catch (error) {
    return outgoing({ kind: 'error', error: report(error) });
  }
}

/** All of a request, by events: an iterator of a stream costs more, and needs `Promise.prototype.then`. @param {http.IncomingMessage} request @returns {Promise<Uint8Array>} */
function readEvents(request) {
  return new Promise((resolve, reject) => {
    /** @type {Buffer[]} */
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).on('error', reject).on('close', () => reject(new SavedError('the request broke off')));
    request.on('end', () => resolve(chunks.length === 1 ? /** @type {Buffer} */ (chunks[0]) : Buffer.concat(chunks)));
  });
}

/** @param {any} namespace @returns {Promise<void>} */
function serveByNode(namespace) {
  const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, async (request, response) => {
    /** @type {Incoming} */
    const incoming = {
      method: request.method ?? '',
      path: request.url ?? '',
      header: (name) => /** @type {string | undefined} */ (request.headers[name]),
      whole: () => readEvents(request),
      source: () => sourceOfReadable(request),
      onAbort: (action) => void response.once('close', () => { if (!response.writableFinished) action(); }),
    };
    const { status, headers, body } = await answer(namespace, incoming);
    if (body instanceof Uint8Array) {
      response.writeHead(status, { ...headers, 'content-length': `${body.length}` });
      response.end(body);
      return;
    }
    response.writeHead(status, headers);
    for await (const chunk of body) {
      if (response.destroyed) break;
      if (!response.write(chunk)) await new Promise((resolve) => { response.once('drain', resolve).once('close', resolve); });
    }
    response.end();
  });
  server.timeout = 0;
  return new Promise((resolve, reject) => { server.once('error', reject).listen(SOCKET_PATH, () => resolve()); });
}

/** @param {any} namespace */
function serveByBun(namespace) {
  Bun.serve({
    unix: SOCKET_PATH,
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    /** @param {Request} request */
    async fetch(request) {
      /** @type {(() => void)[]} */
      const { url, headers: given } = request;
      const incoming = {
        method: request.method,
        path: url.slice(url.indexOf('/', 8)),
        header: (/** @type {string} */ name) => given.get(name) ?? undefined,
        whole: async () => new Uint8Array(await request.arrayBuffer()),
        source: () => (request.body === null ? sourceOfBytes(undefined) : sourceOfStream(request.body)),
        onAbort: (/** @type {() => void} */ action) => request.signal.addEventListener('abort', action, { once: true }),
      };
      const { status, headers, body } = await answer(namespace, incoming);
      return new NativeResponse(/** @type {any} */ (body instanceof Uint8Array ? body : streamOf(body)), { status, headers });
    },
  });
}

/** @param {AsyncGenerator<Uint8Array>} chunks */
function streamOf(chunks) {
  return new SavedReadableStream({
    pull: async (controller) => {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => void quietly(() => chunks.return(undefined)),
  }, { highWaterMark: 0 });
}

// ----------------------------------------------------------------------------------------------------------------- start

/** @type {Record<string, string>} */
const LEVELS = { debug: 'debug', warn: 'warn', error: 'error', trace: 'debug', assert: 'error' };

function captureConsole() {
  let level = 'info';
  const sink = {
    write: (/** @type {unknown} */ line) => {
      writeLine('console', level, `${line}`.replace(/\n$/, ''), undefined);
      return true;
    },
    on: () => sink, once: () => sink, removeListener: () => sink, listenerCount: () => 0,
  };
  const inner = /** @type {any} */ (new Console(/** @type {any} */ ({ stdout: sink, stderr: sink, colorMode: false })));
  for (const name of ['dir', 'dirxml', 'table', 'group', 'groupCollapsed', 'groupEnd', 'assert', 'count', 'countReset', 'time', 'timeEnd', 'timeLog', 'trace']) {
    if (typeof inner[name] !== 'function') continue;
    /** @type {any} */ (console)[name] = (/** @type {unknown[]} */ ...args) => {
      level = LEVELS[name] ?? 'info';
      inner[name](...args);
    };
  }
  for (const name of ['log', 'info', 'debug', 'warn', 'error']) {
    /** @type {any} */ (console)[name] = (/** @type {unknown[]} */ ...args) => writeLine('console', LEVELS[name] ?? 'info', format(...args), undefined);
  }
}

/** @param {string} what @param {unknown} error */
function complain(what, error) { writeLine('console', 'error', `${what}: ${error instanceof SavedError ? error.stack : inspect(error)}`, undefined); }

captureConsole();
process.on('unhandledRejection', (reason) => complain('an error that nobody caught', reason));
process.on('uncaughtException', (error) => complain('an error that nobody caught', error));
// The other end is the host's: it is gone when this ends, however it went.
process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();

for (const [name, value] of Object.entries({ sdk, fetch: globalFetch, Response: AppletResponse })) {
  defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

try {
  const namespace = await import(pathToFileURL(BUNDLE_PATH).href);
  if (Bun === undefined) await serveByNode(namespace);
  else serveByBun(namespace);
} catch (error) {
  complain('the bundle cannot be loaded', error);
  process.exit(1);
}
