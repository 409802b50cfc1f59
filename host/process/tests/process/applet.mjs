// The applet of the tests: a handler for each thing that is looked at.
import { setTimeout as sleep } from 'node:timers/promises';

export function echo(context, payload) {
  const { tenant, user, applet, handler, trigger, invocationId, locale, permissions, params, config, attempt } = context;
  return { payload, context: { tenant, user, applet, handler, trigger, invocationId, locale, permissions, params, config, attempt, deadline: context.deadline > Date.now() } };
}
export function pid() { return process.pid; }
export function environment() { return Object.keys(process.env).sort(); }
export function nothing() {}
export async function request(context) {
  const { request } = context;
  const body = await request.text();
  return new Response(body.toUpperCase(), { status: 201, headers: [['x-method', request.method], ['x-url', request.url], ['x-in', request.headers.get('x-in') ?? ''], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] });
}
export function parsed(context, payload) { return context.json({ payload }); }
export function mirror(context) { return new Response(context.request.body, { headers: { 'content-type': 'application/octet-stream' } }); }
export function drip(context, count) {
  let n = 0;
  return new Response(new ReadableStream({ async pull(controller) {
    await sleep(5);
    if (n++ >= 20) controller.close();
    else controller.enqueue(new TextEncoder().encode(`${n};`));
  } }));
}
export function tear() {
  let n = 0;
  return new Response(new ReadableStream({ pull(controller) {
    if (n++ >= 3) throw Object.assign(new RangeError('torn'), { code: 'E_TORN' });
    controller.enqueue(new TextEncoder().encode('x'));
  } }));
}
export function fail() { throw Object.assign(new TypeError('no such luck', { cause: new Error('because') }), { code: 'E_LUCK', details: { a: 1 } }); }
export function bigint() { return { a: [1n] }; }
export async function wait(context, ms) { await sleep(ms); return ms; }
export function spin() { for (;;); }
export function leak() {
  const kept = [];
  setInterval(() => kept.push(Buffer.alloc(16 << 20, 1)), 5);
  return sleep(60_000);
}
export function exit() { process.exit(3); }
export function crash() { process.kill(process.pid, 'SIGKILL'); return sleep(1_000); }
export function huge(context, bytes) { return 'x'.repeat(bytes); }
export function flood() { return new Response(new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(64 << 10)); } })); }
export function later(context) {
  context.waitUntil((async () => { await sleep(100); await context.sdk.kv.set('later', context.invocationId); })());
  return context.text('at once');
}
export async function capabilities({ sdk }) {
  await sdk.kv.set('k', { a: [1, 2] });
  await sdk.kv.set('b', new Uint8Array([0, 255]));
  const [k, b, none] = await sdk.kv.mget(['k', 'b', 'none']);
  const rows = await sdk.db.query('select ?', [1n, new Uint8Array([7]), 'x', null, 1.5, true]);
  const changed = await sdk.db.transaction((tx) => tx.execute('update', { a: 1 }));
  let denied;
  try { await sdk.secrets.get('forbidden'); } catch (error) { denied = [error instanceof sdk.SdkError, error.code, error.capability, error.message]; }
  const row = rows[0];
  return {
    k, b: [...b], none: none === undefined, changed, denied,
    row: Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? `${value}n` : value instanceof Uint8Array ? [...value] : value]),
    published: await sdk.events.publish('made', { x: 1 }, { key: 'once' }), hash: sdk.crypto.sha256Hex('abc'),
  };
}
export async function fetches(context) {
  const response = await fetch('https://example.test/path?x=1', { method: 'POST', headers: { 'x-a': 'b' }, body: 'hello' });
  let refused;
  try { await fetch('https://denied.test/'); } catch (error) { refused = [error.name, error.cause?.code]; }
  return { status: response.status, url: response.url, type: response.headers.get('content-type'), body: await response.text(), refused };
}
export function fetchStream() { return fetch('https://example.test/stream', { method: 'PUT', body: new Blob(['a'.repeat(300_000)]).stream(), duplex: 'half' }); }
export async function logs(context, name) {
  console.log('hello %s', name, { n: 1 });
  await sleep(10);
  console.warn('careful', name);
  context.sdk.log.error('bad', { name, big: 1n });
  return name;
}
let kept;
export function keep(context) { kept = context; return 1; }
export async function replay() {
  // The identity is that of the call that runs: a context that was kept belongs to no other.
  return [kept.invocationId, await sdk.kv.get('whoami')];
}
export function noIdentity() { return { sdk: typeof sdk.kv.get, fetch: fetch.name }; }
export async function flaky() { if (Math.random() < 2) await sleep(1); return process.pid; }
export default {
  async fetch(request, env, ctx) { return Response.json({ url: request.url, tenant: ctx.tenant, sdk: env.sdk === ctx.sdk }); },
  scheduled(event) { return event; },
  queue(batch) { for (const message of batch.messages) { if (message.body.again) message.retry({ delaySeconds: 2 }); } },
};
let health = { status: 'ok' };
export function sicken() { health = { status: 'unhealthy', error: 'no more ink' }; }
export function __health__() { return health; }
