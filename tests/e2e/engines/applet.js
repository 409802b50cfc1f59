// One applet for all engines: what each export answers must not depend on what runs it.
import * as helpers from './helpers.js';

export default (context, payload) => ({ payload, tenant: context.tenant, applet: context.applet, handler: context.handler, trigger: context.trigger });

export const whoCalls = (context) => {
  const { user, organisation, permissions, locale, version, attempt, config, params } = context;
  return {
    user, organisation, permissions, locale, version, attempt, config: { ...config }, params: { ...params }, isFrozen: Object.isFrozen(context),
    deadlineIsAhead: context.deadline > Date.now(), id: typeof context.invocationId, aborted: context.signal.aborted, keys: Object.keys(JSON.parse(JSON.stringify(context))).sort(),
  };
};

export const nothing = () => {};
export const waits = async () => { await new Promise((resolve) => setTimeout(resolve, 5)); return 'waited'; };
export const sdkIsGlobal = (context) => globalThis.sdk === context.sdk || typeof globalThis.sdk.db.query === 'function';

export const fails = () => helpers.fail();
export const failsWithCause = async () => { throw new Error('outer', { cause: new TypeError('inner') }); };
export const failsWithCode = () => { throw Object.assign(new RangeError('no such tariff'), { code: 'tariff', details: { known: ['a'] } }); };
export const cycle = () => { const a = {}; a.self = a; return a; };
export const big = () => ({ n: 1n });
export const status = () => new Response(null, { status: 101 });

export const request = async (context) => {
  const { request } = context;
  return context.json({
    method: request.method, url: request.url, type: request.headers.get('content-type'), custom: request.headers.get('x-custom'), body: await request.text(), params: context.params,
  }, 201);
};
export const parsed = (context, payload) => ({ payload });
export const helpersAnswer = (context) => context[context.params.which]('because');
export const headers = () => new Response('é', { status: 202, headers: [['x-a', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['content-type', 'text/plain;charset=UTF-8']] });
export const bytes = () => new Response(new Uint8Array([0, 1, 254, 255]));
export const streams = () => {
  let n = 0;
  return new Response(new ReadableStream({ async pull(controller) { if (n === 5) return controller.close(); await new Promise((resolve) => setTimeout(resolve, 1)); controller.enqueue(new TextEncoder().encode(`${n++};`)); } }));
};
export const breaksOff = () => {
  let n = 0;
  return new Response(new ReadableStream({ async pull(controller) { await null; if (n++ === 2) throw new Error('no more'); controller.enqueue(new TextEncoder().encode('piece')); } }));
};
export const echoes = (context) => new Response(context.request.body);

export const sql = async ({ sdk }) => {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a, b)');
  await sdk.db.execute('DELETE FROM t');
  const inserted = await sdk.db.execute('INSERT INTO t (a, b) VALUES (?, ?)', ['text', null]);
  await sdk.db.execute('INSERT INTO t (a, b) VALUES (:a, :b)', { a: 2 ** 40, b: 1.5 });
  await sdk.db.execute('INSERT INTO t (a, b) VALUES (?, ?)', [9007199254740993n, new Uint8Array([1, 2])]);
  const rows = await sdk.db.query('SELECT id, a, b FROM t ORDER BY id');
  const shown = rows.map(({ id, a, b }) => [id, typeof a === 'bigint' ? `${a}n` : a, b instanceof Uint8Array ? [...b] : b]);
  const batch = await sdk.db.batch(['DELETE FROM t WHERE id = 1', ['INSERT INTO t (a) VALUES (?)', [true]]]);
  return { inserted, shown, batch, one: await sdk.db.queryOne('SELECT a FROM t WHERE id = 2'), none: await sdk.db.queryOne('SELECT a FROM t WHERE id = 99'), infinite: (await sdk.db.queryOne('SELECT 9e999 AS x')).x === Infinity };
};
export const transactions = async ({ sdk }) => {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS tx (n)');
  await sdk.db.execute('DELETE FROM tx');
  const result = await sdk.db.transaction(async (tx) => { await tx.execute('INSERT INTO tx VALUES (1)'); return (await tx.query('SELECT n FROM tx')).length; });
  let thrown;
  try {
    await sdk.db.transaction(async (tx) => { await tx.execute('INSERT INTO tx VALUES (2)'); throw new Error('rolled back'); });
  } catch (error) { thrown = error.message; }
  return { result, thrown, left: await sdk.db.query('SELECT n FROM tx') };
};
const told = async (work) => {
  try { return { value: await work() }; } catch (error) { return { name: error.name, code: error.code, capability: error.capability, limit: error.limit, message: error.message }; }
};
export const refusals = async ({ sdk }) => ({
  syntax: (await told(() => sdk.db.query('SELEC 1'))).code,
  constraint: await told(async () => { await sdk.db.execute('CREATE TABLE IF NOT EXISTS u (n UNIQUE)'); await sdk.db.execute('DELETE FROM u'); await sdk.db.batch(['INSERT INTO u VALUES (1)', 'INSERT INTO u VALUES (1)']); }),
  denied: await told(() => sdk.db.query("ATTACH 'x' AS y")),
  http: (await told(() => sdk.http.get('https://elsewhere.example/'))).code,
  fetch: await told(() => fetch('https://elsewhere.example/')),
  secret: await told(() => sdk.secrets.get('OTHER')),
  event: await told(() => sdk.events.publish('undeclared', {})),
  key: await told(() => sdk.kv.set('k'.repeat(600), 1)),
  type: (await told(() => sdk.db.query(1))).name,
});
export const keys = async ({ sdk }) => {
  for (const key of (await sdk.kv.list()).keys) await sdk.kv.delete(key);
  await sdk.kv.set('a/1', { n: 1 });
  await sdk.kv.set('a/2', new Uint8Array([7]), { ttlMs: 60_000 });
  const swapped = [await sdk.kv.compareAndSet('a/1', { n: 1 }, { n: 2 }), await sdk.kv.compareAndSet('a/1', { n: 1 }, { n: 3 })];
  const page = await sdk.kv.list({ prefix: 'a/', limit: 1 });
  return {
    got: await sdk.kv.get('a/1'), bytes: [...await sdk.kv.get('a/2')], missing: (await sdk.kv.get('b')) === undefined, several: (await sdk.kv.mget(['a/1', 'x'])).map((value) => value ?? null),
    swapped, page, rest: await sdk.kv.list({ prefix: 'a/', cursor: page.cursor }), sum: [await sdk.kv.increment('c', 5), await sdk.kv.increment('c', -2)], deleted: [await sdk.kv.delete('c'), await sdk.kv.delete('c')],
  };
};
export const others = async ({ sdk }) => {
  const secret = await sdk.secrets.get('KEY');
  console.log('the key is', secret);
  return {
    secret, missing: (await sdk.secrets.get('MISSING')) === undefined, config: sdk.config.get('greeting'), none: sdk.config.get('nothing') === undefined,
    event: await sdk.events.publish('order.paid', { n: 1 }, { key: 'k', orderKey: 'o', delayMs: 5 }), job: await sdk.jobs.enqueue('waits', { x: 1 }, { delayMs: 10, priority: 3 }), cancelled: await sdk.jobs.cancel('job_1'),
    hash: sdk.crypto.sha256Hex('abc'), mac: sdk.crypto.hmacSha256Hex('key', 'abc'), equal: sdk.crypto.timingSafeEqual('a', 'a'),
  };
};
export const asks = async ({ sdk }, { url }) => {
  const posted = await sdk.http.post(`${url}/post`, { a: 1 }, { headers: { 'x-custom': 'yes' }, query: { q: 'ü' } });
  const got = await fetch(`${url}/get`);
  const body = new ReadableStream({ start(controller) { controller.enqueue(new TextEncoder().encode('piece by ')); controller.enqueue(new TextEncoder().encode('piece')); controller.close(); } });
  const streamed = await fetch(`${url}/streamed`, { method: 'PUT', body, duplex: 'half' });
  return { posted: await posted.json(), status: got.status, got: await got.text(), streamed: await streamed.json() };
};
export const logs = ({ sdk }) => {
  console.log('plain', { a: 1 }, [1, 'two']);
  console.warn('careful %s', 'now');
  console.error(new Error('seen'));
  sdk.log.info('fields', { n: 1, nested: { list: [1] } });
  sdk.log.debug('low');
};
export const later = (context) => {
  context.waitUntil((async () => { await new Promise((resolve) => setTimeout(resolve, 20)); await context.sdk.kv.set('later', context.params.n); })());
  return new Response('now');
};
export const seenLater = async ({ sdk }) => sdk.kv.get('later');
export const hangs = () => new Promise(() => { setInterval(() => {}, 5); });
export const spins = () => { for (;;); };
export const large = () => 'x'.repeat(2_000_000);
export const web = async () => {
  const compressed = new Response('a'.repeat(1000)).body.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc'));
  return {
    url: new URL('../b?c=1#d', 'https://a.example/x/y').href, text: (await new Response(compressed).text()).length, digest: [...new Uint8Array(digest)].slice(0, 4), base64: btoa('hi'), clone: structuredClone({ d: new Date(0), m: new Map([[1, 2]]) }).m.get(1),
    pattern: new URL('https://a.example/?a=1&a=2').searchParams.getAll('a'), uuid: /^[0-9a-f-]{36}$/.test(crypto.randomUUID()), event: new Event('x').type,
  };
};
const store = new (await import('node:async_hooks')).AsyncLocalStorage();
export const storage = () => store.run('mine', async () => { await null; return store.getStore(); });
export const batches = { async queue(batch) { for (const message of batch.messages) if (message.body.again) message.retry({ delaySeconds: 2 }); else message.ack(); } };
export const web3 = {
  fetch: async (request, env, ctx) => new Response(`${request.method} ${typeof env.sdk.db} ${typeof ctx.waitUntil}`),
  scheduled: (event) => ({ type: event.type, cron: event.cron }),
};
