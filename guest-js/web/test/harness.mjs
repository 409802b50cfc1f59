// A sandbox for tests: the bundle in a fresh realm, over a Native that records what it is asked and completes when told.

import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash, createHmac, hkdfSync, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { constants, deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib';

const CODECS = [[gzipSync, gunzipSync], [deflateSync, inflateSync], [deflateRawSync, inflateRawSync]];

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function orUndefined(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

const URL_PARTS = ['protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
/** What the engine says of a URL, by Node's URL. */
function urlParts(url) {
  const { href, username, password, hostname, port } = url;
  const schemeEnd = url.protocol.length - 1;
  const hasAuthority = href.startsWith('//', schemeEnd + 1);
  const usernameEnd = schemeEnd + (hasAuthority ? 3 : 1) + username.length;
  const hostStart = usernameEnd + (password !== '' ? password.length + 2 : username !== '' ? 1 : 0);
  const hostEnd = hostStart + hostname.length;
  const pathStart = hasAuthority ? hostEnd + (port === '' ? 0 : port.length + 1) : hostEnd + (href.startsWith('/.//', hostEnd) ? 2 : 0);
  const hash = href.indexOf('#');
  const fragmentStart = hash < 0 ? href.length : hash;
  const query = href.slice(0, fragmentStart).indexOf('?');
  return [href, schemeEnd, usernameEnd, hostStart, hostEnd, port === '' ? -1 : Number(port), pathStart, query < 0 ? fragmentStart : query, fragmentStart];
}

/** The bundle as one script: from BELLJAR_WEB_BUNDLE, or made by an installed esbuild. */
function bundle() {
  if (process.env.BELLJAR_WEB_BUNDLE) return readFileSync(process.env.BELLJAR_WEB_BUNDLE, 'utf8');
  const esbuild = process.env.ESBUILD ?? join(root, 'node_modules/.bin/esbuild');
  if (!existsSync(esbuild)) throw new Error('set BELLJAR_WEB_BUNDLE to the bundled script, or ESBUILD to an esbuild');
  const out = join(mkdtempSync(join(tmpdir(), 'belljar-web-')), 'web.js');
  execFileSync(esbuild, [join(root, 'src/main.ts'), '--bundle', '--format=iife', '--global-name=__belljar', '--target=es2023', '--log-level=warning',
    '--banner:js=(() => {', '--footer:js=return __belljar.default })()', `--outfile=${out}`]);
  return readFileSync(out, 'utf8');
}
// The engine evaluates it as a module, and so as strict code.
const script = new vm.Script(`'use strict';${bundle()}`, { filename: 'belljar:web' });

const slot = new AsyncLocalStorage();

/** A driver in a realm of its own. `run(code)` evaluates there; `settle()` lets promise jobs run. */
export function sandbox() {
  const context = vm.createContext({ __proto__: null }, { microtaskMode: undefined });
  vm.runInContext('(detach) => { ArrayBuffer.prototype.transfer ??= function transfer() { const copy = this.slice(0); detach(this); return copy; } }', context)(
    (buffer) => void structuredClone(buffer, { transfer: [buffer] })); // Node 20 has none; the engine does.
  const state = { nowUs: 1_700_000_000_000_000, nextId: 1, calls: [], logs: [], cancelled: [], codecs: [], randomByte: 0 };
  const op = (name) => (...args) => {
    const id = state.nextId++;
    state.calls.push({ id, name, args });
    return id;
  };
  /** All of the input again, and what of its output is new. */
  const inflate = (codec, finishFlush) => {
    try {
      const { buffer, engine } = CODECS[codec.format][1](codec.input, { finishFlush, info: true });
      if (engine.bytesWritten < codec.input.length) throw new TypeError('there are bytes after the end');
      const fresh = new Uint8Array(buffer.subarray(codec.given));
      codec.given = buffer.length;
      return fresh;
    } catch (error) {
      throw vm.runInContext('(message) => new TypeError(message)', context)(error.message);
    }
  };
  const native = {
    nowUs: () => state.nowUs,
    thrownStack: () => '',
    randomBytes: (length) => new Uint8Array(length).map(() => state.randomByte++ & 255),
    log: (origin, level, message, fields) => void state.logs.push({ origin, level, message, fields: Object.assign(new Array(fields.length), fields) }),
    dbQuery: op('dbQuery'), dbQueryOne: op('dbQueryOne'), dbExecute: op('dbExecute'), dbBatch: op('dbBatch'),
    dbBegin: op('dbBegin'), dbCommit: op('dbCommit'), dbRollback: op('dbRollback'), httpSend: op('httpSend'),
    kvGet: op('kvGet'), kvSet: op('kvSet'), kvDelete: op('kvDelete'), kvIncrement: op('kvIncrement'), kvCompareAndSet: op('kvCompareAndSet'), kvList: op('kvList'),
    secretGet: op('secretGet'), eventPublish: op('eventPublish'), jobEnqueue: op('jobEnqueue'), jobCancel: op('jobCancel'), jobProgress: op('jobProgress'),
    customCall: op('customCall'),
    bodyOpen: op('bodyOpen'), bodyRead: op('bodyRead'), bodyWrite: op('bodyWrite'),
    bodyClose: op('bodyClose'), bodyAbort: op('bodyAbort'), respond: op('respond'),
    cancel: (operation) => void state.cancelled.push(operation),
    utf8Encode: (text) => new Uint8Array(Buffer.from(text, 'utf8')),
    utf8EncodeInto: (text, into) => {
      const { read, written } = new TextEncoder().encodeInto(text, into);
      return [read, written];
    },
    encodingName: (label) => orUndefined(() => new TextDecoder(label).encoding),
    decoderOpen: (encoding, keepBom) => ({ encoding, keepBom }),
    decode: (decoder, bytes, fatal, last) => (decoder.inner ??= new TextDecoder(decoder.encoding, { fatal, ignoreBOM: decoder.keepBom })).decode(bytes, { stream: !last }),
    btoa: (text) => orUndefined(() => btoa(text)),
    atob: (text) => orUndefined(() => atob(text)),
    urlParse: (text, base) => orUndefined(() => urlParts(new URL(text, base))),
    urlCanParse: (text, base) => URL.canParse(text, base),
    urlSet: (href, part, value) => {
      const url = new URL(href);
      url[URL_PARTS[part]] = value;
      return urlParts(url);
    },
    percentDecode: (text) => new Uint8Array(Buffer.from(text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1')),
    // The constructor takes a "?" away.
    formParse: (text) => [...new URLSearchParams(`&${text}`)].flat(),
    formSerialize: (flat) => {
      const params = new URLSearchParams();
      for (let i = 0; i < flat.length; i += 2) params.append(flat[i], flat[i + 1]);
      return `${params}`;
    },
    utf8Decode: (bytes, fatal, keepBom) => new TextDecoder('utf-8', { fatal, ignoreBOM: keepBom }).decode(bytes),
    timingSafeEqual: (a, b) => a.length === b.length && timingSafeEqual(a, b),
    base64Encode: (bytes) => Buffer.from(bytes).toString('base64'),
    base64Decode: (text) => orUndefined(() => new Uint8Array(Buffer.from(atob(text), 'latin1'))),
    codecOpen: (format, decompress) => state.codecs.push({ format, decompress, input: Buffer.alloc(0), given: 0 }) - 1,
    codecWrite: (handle, bytes) => {
      const codec = state.codecs[handle];
      codec.input = Buffer.concat([codec.input, bytes]);
      // Compressed bytes come at the end, all at once; the engine's codecs may give them earlier.
      return codec.decompress ? inflate(codec, constants.Z_SYNC_FLUSH) : new Uint8Array(0);
    },
    codecFinish: (handle) => {
      const codec = state.codecs[handle];
      state.codecs[handle] = undefined;
      return codec.decompress ? inflate(codec, constants.Z_FINISH) : new Uint8Array(CODECS[codec.format][0](codec.input));
    },
    codecClose: (handle) => { state.codecs[handle] = undefined; },
    cryptoImport: op('cryptoImport'), cryptoExport: op('cryptoExport'), cryptoGenerate: op('cryptoGenerate'), cryptoCipher: op('cryptoCipher'),
    cryptoSign: op('cryptoSign'), cryptoVerify: op('cryptoVerify'), cryptoAgree: op('cryptoAgree'), cryptoDrop: () => {},
    pbkdf2: (name, password, salt, iterations, length) => new Uint8Array(length === 0 ? 0 : pbkdf2Sync(password, salt, iterations, length, name)),
    hkdf: (name, key, salt, info, length) => orUndefined(() => new Uint8Array(hkdfSync(name, key, salt, info, length))),
    hash: (name, message, key) => new Uint8Array((key ? createHmac(name, key) : createHash(name)).update(message).digest()),
    // Node carries a store of its own through the same steps.
    asyncContext: (...args) => {
      const before = slot.getStore();
      if (args.length > 0) slot.enterWith(args[0]);
      return before;
    },
    // It only saves work.
    readsOne: () => false,
    nextTick: (callback) => process.nextTick(callback),
  };
  const driver = script.runInContext(context)(native);
  const run = (code) => vm.runInContext(code, context, { filename: 'applet.js' });
  return { driver, native, state, context, run, settle: () => new Promise((resolve) => setImmediate(resolve)) };
}

/** Calls a handler written as source: `({ default: … })`. */
export function callWith(box, namespace, overrides = {}) {
  const call = {
    id: 'inv-1', deadlineMs: 1_700_000_030_000, handler: 'main', export: 'default', trigger: 'one-off', json: undefined, request: undefined,
    caller: { tenant: 'acme', applet: 'demo', version: '1.0.0', user: 'u1', organisation: undefined, permissions: ['a'], locale: 'en' },
    ...overrides,
  };
  if (call.json === undefined && call.request === undefined && call.messages === undefined) call.json = 'null';
  return box.driver.call(typeof namespace === 'string' ? box.run(`(${namespace})`) : namespace, call);
}

/** Fires due timers with jobs in between, advancing the clock to each; at most `count`. */
export async function drain(box, count = 1000) {
  await box.settle();
  for (let i = 0; i < count; i++) {
    const next = box.driver.nextTimerUs();
    if (next === undefined) return;
    box.state.nowUs = Math.max(box.state.nowUs, next);
    while (box.driver.fireTimer()) await box.settle();
  }
}

export function request(method, url, headers, body) {
  return { method, url, headers, body: typeof body === 'string' ? new Uint8Array(Buffer.from(body)) : body };
}
