// The web platform: fetch, headers, bodies, aborts, timers, encoding, crypto, console.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format } from 'node:util';
import { callWith, drain, sandbox } from './harness.mjs';

const OK = { kind: 'response', status: 200, statusText: 'OK', url: 'https://h/', redirected: false, headers: [], body: new Uint8Array([104, 105]) };

test('fetch sends what the standard says', async () => {
  const box = sandbox();
  const promise = box.run("fetch(new Request('https://h/p#frag', { method: 'post', headers: { A: ' b ' }, body: new URLSearchParams({ q: '1 2' }) }), { redirect: 'manual' })");
  const [method, url, headers, body, redirect] = box.state.calls[0].args;
  assert.deepEqual([method, url, [...headers], Buffer.from(body).toString(), redirect],
    ['POST', 'https://h/p', ['a', 'b', 'content-type', 'application/x-www-form-urlencoded;charset=UTF-8'], 'q=1+2', 2]);
  box.driver.complete(1, OK);
  const response = await promise;
  assert.deepEqual([response.ok, await response.text(), response.bodyUsed], [true, 'hi', true]);
  await assert.rejects(response.text(), /already been read/);
});

test('fetch fails with TypeError and its cause', async () => {
  const box = sandbox();
  const promise = box.run("fetch('https://h/')");
  box.driver.complete(1, { kind: 'error', capability: 'http', code: 'denied', message: 'host h is not in the manifest' });
  const error = await promise.catch((e) => e);
  assert.deepEqual([error.name, error.message, error.cause.code], ['TypeError', 'fetch failed (denied): host h is not in the manifest', 'denied']);
  for (const code of ["fetch('/relative')", "fetch('https://u:p@h/')", "fetch('https://h', { body: 'x' })", "fetch('https://h', { method: 'TRACE' })", "fetch('https://h', { method: 'G T' })",
    "fetch('https://h', { headers: { 'x': 'a\\r\\nb' } })", "fetch('https://h', { headers: { 'x y': 'a' } })", "fetch('https://h', { headers: { x: '\\ud800' } })", 'fetch()', "fetch('https://h', { redirect: 'x' })"]) {
    await assert.rejects(box.run(code), (e) => e.name === 'TypeError', code);
  }
  assert.equal(box.state.calls.length, 1);
});

test('an abort cancels the operation', async () => {
  const box = sandbox();
  const promise = box.run("globalThis.c = new AbortController(); fetch('https://h/', { signal: c.signal })");
  assert.equal(box.driver.outstanding(), 1);
  box.run('c.abort()');
  const error = await promise.catch((e) => e);
  assert.deepEqual([error.name, error.code, box.state.cancelled, box.driver.outstanding()], ['AbortError', 20, [1], 0]);
  box.driver.complete(1, OK);
  await assert.rejects(box.run("fetch('https://h/', { signal: AbortSignal.abort('why') })"), (reason) => reason === 'why');
  assert.equal(box.state.calls.length, 1);
});

test('AbortSignal.timeout and any', async () => {
  const box = sandbox();
  box.run("globalThis.seen = []; globalThis.s = AbortSignal.any([AbortSignal.timeout(50), new AbortController().signal]); s.onabort = (e) => seen.push(e.type, s.reason.name, e.isTrusted)");
  await drain(box);
  assert.equal(box.run('seen.join()'), 'abort,TimeoutError,true');
});

test('a program does not wait for AbortSignal.timeout, a call does', () => {
  const box = sandbox();
  box.run('AbortSignal.timeout(1000)');
  assert.notEqual(box.driver.nextTimerUs(), undefined);
  box.driver.shell([], [], []);
  assert.equal(box.driver.nextTimerUs(), undefined);
  box.run("fetch('https://h/')");
  assert.notEqual(box.driver.nextTimerUs(), undefined);
});

test('timers fire by time, then in order of creation', async () => {
  const box = sandbox();
  box.run(`globalThis.seen = [];
    setTimeout(() => seen.push('c'), 20); setTimeout((x) => { seen.push(x); Promise.resolve().then(() => seen.push('job')); }, 10, 'a'); setTimeout(() => seen.push('b'), 10);
    const gone = setTimeout(() => seen.push('never'), 5); clearTimeout(gone); clearTimeout(); clearTimeout('x');
    let n = 0; const i = setInterval(() => { seen.push('i' + ++n); if (n === 3) clearInterval(i); }, 8); setTimeout(() => seen.push('z'), -1); setTimeout(() => seen.push('wrapped'), 2 ** 32);`);
  assert.equal(box.driver.fireTimer(), true);
  await drain(box);
  assert.equal(box.run('seen.join()'), 'z,wrapped,i1,a,job,b,i2,c,i3');
  assert.equal(box.driver.nextTimerUs(), undefined);
  assert.equal(box.driver.fireTimer(), false);
});

test('many timers, cleared in any order, stay a heap', async () => {
  const box = sandbox();
  box.run(`globalThis.seen = []; let seed = 7; const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n };
    const ids = []; for (let i = 0; i < 5000; i++) { const ms = random(500); ids.push(setTimeout(() => seen.push(ms), ms)); }
    for (let i = 0; i < 2500; i++) clearTimeout(ids[random(5000)]);`);
  box.state.nowUs += 1e6;
  while (box.driver.fireTimer());
  const seen = [...box.run('seen')];
  assert.ok(seen.length > 2500 && seen.length < 4000);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
});

/** Runs code; hands each rejection that nobody handles to the driver, as the engine does, and answers those that it did not deal with. */
async function withRejections(box, code) {
  const left = [];
  const listen = (reason, promise) => {
    if (!box.driver.rejected(promise, reason)) left.push(reason.message);
  };
  const late = (promise) => box.driver.handled(promise, 'late');
  // The test runner listens too, and would fail the test.
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', listen);
  process.on('rejectionHandled', late);
  box.run(code);
  for (let i = 0; i < 4; i++) {
    await box.settle();
    while (box.driver.fireTimer());
  }
  await box.settle();
  process.off('unhandledRejection', listen);
  process.off('rejectionHandled', late);
  for (const other of others) process.on('unhandledRejection', other);
  return left;
}

const THREE_ERRORS = "setTimeout(() => { throw new Error('first') }, 0); setTimeout(() => { globalThis.second = true }, 0); queueMicrotask(() => { throw new Error('job') }); reportError(new Error('told'));";

/** A sandbox in which a call runs. */
function inCall() {
  const box = sandbox();
  callWith(box, '{ default: () => 1 }');
  return box;
}

test('an error in a timer or a job fails a preparation and a program, is logged in a call, and stops nothing', async () => {
  const box = inCall();
  assert.deepEqual(await withRejections(box, THREE_ERRORS), []);
  assert.equal(box.run('second'), true);
  assert.deepEqual(box.state.logs.map(({ message }) => message.split('\n')[0]).sort(), ['Uncaught Error: first', 'Uncaught Error: job', 'Uncaught Error: told']);
  const program = sandbox();
  program.driver.shell([], [], []);
  assert.deepEqual((await withRejections(program, THREE_ERRORS)).sort(), ['first', 'job', 'told']);
  assert.deepEqual((await withRejections(sandbox(), THREE_ERRORS)).sort(), ['first', 'job', 'told']);
});

test('error events tell what nobody caught; a listener that cancels settles it', async () => {
  const box = sandbox();
  box.driver.shell([], [], []);
  const left = await withRejections(box, `globalThis.seen = [];
    addEventListener('error', (e) => { seen.push([e.constructor.name, e.type, e.message, e.error.message, e.isTrusted, e.target === globalThis].join()); if (e.error.message === 'told') e.preventDefault() });
    onerror = (message, file, line, column, error) => { seen.push('on ' + error.message + ' ' + (line > 0) + ' ' + file); return error.message === 'job' };
    ${THREE_ERRORS}`);
  assert.deepEqual(left, ['first']);
  const expected = ['told', 'job', 'first'].flatMap((m) => [`ErrorEvent,error,Uncaught Error: ${m},${m},true,true`, `on ${m} true applet.js`]);
  assert.deepEqual(box.run('[...seen]').length, expected.length);
  for (const line of expected) assert.ok(box.run('seen').includes(line), `${line} in ${box.run('seen')}`);
});

test('an error of an error listener is not told to it again', async () => {
  const box = inCall();
  const left = await withRejections(box, "globalThis.n = 0; addEventListener('error', () => { n++; throw new Error('inner') }); reportError(new Error('outer'))");
  assert.deepEqual(left, []);
  assert.equal(box.run('n'), 1);
  assert.deepEqual(box.state.logs.map(({ message }) => message.split('\n')[0]), ['Uncaught Error: inner', 'Uncaught Error: outer']);
});

test('rejections that nobody handles, and that somebody handles late', async () => {
  const box = sandbox();
  box.driver.shell([], [], []);
  const left = await withRejections(box, `globalThis.seen = []; globalThis.kept = Promise.reject(new Error('kept')); Promise.reject(new Error('loud'));
    onunhandledrejection = (e) => { seen.push(e.type + ' ' + e.reason.message + ' ' + (e.promise === kept)); if (e.promise === kept) e.preventDefault() };
    addEventListener('rejectionhandled', (e) => seen.push(e.type + ' ' + (e.promise === kept)));
    setTimeout(() => kept.catch(() => {}), 0)`);
  assert.deepEqual(left, ['loud']);
  assert.equal(box.run('seen.join()'), 'unhandledrejection kept true,unhandledrejection loud false,rejectionhandled true');
});

test('messages between ports', async () => {
  const box = sandbox();
  const code = `globalThis.seen = []; const { port1, port2 } = new MessageChannel();
    port2.onmessage = (e) => { seen.push(e.data.a + e.constructor.name + e.ports.length + (e.target === port2)); if (e.ports.length) e.ports[0].postMessage('back') };
    const sent = { a: 1 }; port1.postMessage(sent); sent.a = 2; port1.postMessage(sent); seen.push('sync');
    const other = new MessageChannel(); other.port1.addEventListener('message', (e) => seen.push('got ' + e.data)); other.port1.start(); port1.postMessage({ a: 3 }, [other.port2]);
    port2.addEventListener('close', () => seen.push('closed'));
    setTimeout(() => { port1.close(); port1.postMessage({ a: 9 }) }, 5)`;
  assert.deepEqual(await withRejections(box, code), []);
  box.state.nowUs += 5_000;
  while (box.driver.fireTimer());
  assert.equal(box.run('seen.join()'), 'sync,1MessageEvent0true,2MessageEvent0true,3MessageEvent1true,got back,closed');
  assert.throws(() => box.run("new MessageChannel().port1.postMessage(() => 1)"), (e) => e.name === 'DataCloneError');
  assert.throws(() => box.run("{ const { port1 } = new MessageChannel(); port1.postMessage(1, [port1]) }"), (e) => e.name === 'DataCloneError');
  assert.throws(() => box.run('new MessagePort()'), (e) => e.name === 'TypeError');
  assert.equal(box.run("{ const { port1 } = new MessageChannel(); const moved = structuredClone(port1, { transfer: [port1] }); (moved instanceof MessagePort) + String(moved !== port1) }"), 'truetrue');
});

test('fetch answers data: URLs', async () => {
  const box = sandbox();
  const check = async (code, expected) => assert.equal(await box.run(`(async () => ${code})()`), expected, code);
  await check("{ const r = await fetch('data:,a%20b#c'); return [r.status, r.headers.get('content-type'), await r.text(), r.url].join('|') }", '200|text/plain;charset=US-ASCII|a b|data:,a%20b#c');
  await check("{ const r = await fetch('data:application/json;base64,eyJhIjoxfQ=='); return r.headers.get('content-type') + (await r.json()).a }", 'application/json1');
  await check("{ const r = await fetch('data:,a', { method: 'POST', body: 'x' }); return r.status + await r.text() }", '200a');
  await check("{ const r = await fetch('data:,a', { method: 'HEAD' }); return r.status + await r.text() }", '200');
  for (const bad of ['data:x', 'data:;base64,*']) await assert.rejects(box.run(`fetch('${bad}')`), (e) => e.name === 'TypeError');
});

test('Headers', () => {
  const box = sandbox();
  const check = (code, expected) => assert.equal(box.run(code), expected, code);
  check("{ const h = new Headers([['B', '1'], ['a', '2'], ['b', '3'], ['Set-Cookie', 'x'], ['set-cookie', 'y']]); JSON.stringify([...h]) }", '[["a","2"],["b","1, 3"],["set-cookie","x"],["set-cookie","y"]]');
  check("{ const h = new Headers({ A: '1' }); h.append('a', '2'); h.set('A', '3'); h.delete('none'); [h.get('a'), h.has('B'), h.getSetCookie().length].join() }", '3,false,0');
  check("{ const h = new Headers({ a: '\\t v \\r\\n' }); h.get('a') }", 'v');
  for (const bad of ["new Headers({ 'a b': '1' })", "new Headers({ '': '1' })", "new Headers({ a: 'x\\ny' })", "new Headers([['a']])", 'new Headers(1)', "new Headers({ a: 'ā' })", "Response.redirect('https://h/').headers.set('a', 'b')"]) {
    assert.throws(() => box.run(bad), (e) => e.name === 'TypeError', bad);
  }
});

test('Response', async () => {
  const box = sandbox();
  const check = async (code, expected) => assert.equal(await box.run(`(async () => ${code})()`), expected, code);
  await check("(await Response.json({ a: 1 }, { status: 201 }).json()).a", 1);
  await check("new Response('é').headers.get('content-type')", 'text/plain;charset=UTF-8');
  await check("(await new Response(new Uint8Array([1, 2, 3]).subarray(1)).bytes()).join()", '2,3');
  await check("(await new Response(new Uint16Array([257]).buffer).arrayBuffer()).byteLength", 2);
  await check("{ const r = new Response('x'); const c = r.clone(); return await r.text() + await c.text() }", 'xx');
  await check("{ const r = new Response(); await r.text(); return r.bodyUsed }", false);
  await check("Response.redirect('https://h/x', 307).headers.get('location')", 'https://h/x');
  await check("[Response.error().type, Response.error().status].join()", 'error,0');
  await check("await new Response('\\ufeffx').text()", 'x');
  await check("await new Response('\\ud800').text()", '\ufffd');
  for (const [bad, name] of [["new Response('x', { status: 204 })", 'TypeError'], ["new Response('', { status: 199 })", 'RangeError'], ["Response.json(() => 1)", 'TypeError'], ["Response.redirect('https://h', 200)", 'RangeError']]) {
    assert.throws(() => box.run(bad), (e) => e.name === name, bad);
  }
});

test('events', () => {
  const box = sandbox();
  assert.equal(box.run(`{ const t = new EventTarget(); const seen = []; const once = () => seen.push('once');
    t.addEventListener('x', once, { once: true }); t.addEventListener('x', { handleEvent(e) { seen.push(e.type + (e.target === t) + this.y), e.preventDefault() }, y: 1 });
    t.addEventListener('x', (e) => { seen.push('stop'); e.stopImmediatePropagation() }); t.addEventListener('x', () => seen.push('no'));
    const r = [t.dispatchEvent(new Event('x', { cancelable: true })), t.dispatchEvent(new CustomEvent('x', { detail: 1 }))]; seen.concat(r).join() }`),
  'once,xtrue1,stop,xtrue1,stop,false,true');
});

test('text in and out', () => {
  const box = sandbox();
  const check = (code, expected) => assert.equal(box.run(code), expected, code);
  check("new TextDecoder().decode(new TextEncoder().encode('é€😀'))", 'é€😀');
  check("{ const d = new TextDecoder(); let s = ''; for (const b of new TextEncoder().encode('\\ufeffé€😀x')) s += d.decode(new Uint8Array([b]), { stream: true }); s + d.decode() }", 'é€😀x');
  check("{ const d = new TextDecoder(); d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0x41])) }", '\ufffdA');
  check("new TextDecoder('utf-16').decode(new Uint8Array([0x41, 0, 0x3d, 0xd8, 0, 0xde]))", 'A😀');
  check("new TextDecoder(' Shift_JIS ').encoding", 'shift_jis');
  check("{ const b = new Uint8Array(5); const r = new TextEncoder().encodeInto('aé€b', b); [r.read, r.written, b.join()].join(' ') }", '2 3 97,195,169,0,0');
  check("{ const b = new Uint8Array(6); const r = new TextEncoder().encodeInto('x😀😀', b); [r.read, r.written].join() }", '3,5');
  check("{ const b = new Uint8Array(8); const r = new TextEncoder().encodeInto('aaa€€€€', b); [r.read, r.written].join() }", '4,6');
  check("btoa('\\xff\\x00a') + atob(' /w BhYg== ').length", '/wBh4');
  assert.throws(() => box.run("btoa('€')"), (e) => e.name === 'InvalidCharacterError' && e.code === 5);
  assert.throws(() => box.run("atob('a')"), (e) => e.name === 'InvalidCharacterError');
  assert.throws(() => box.run("new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))"), (e) => e.name === 'TypeError');
  assert.throws(() => box.run("new TextDecoder('utf-7')"), (e) => e.name === 'RangeError');
});

test('encodeInto agrees with Node', () => {
  const { TextEncoder: Ours } = sandbox().run('({ TextEncoder })');
  for (const text of ['', 'a', 'é€', '😀', 'a😀b', '€€€', 'éé😀😀é', '\ud800x', 'x\udc00', '😀\ud83d']) {
    for (let size = 0; size < 16; size++) {
      const [a, b] = [new Uint8Array(size), new Uint8Array(size)];
      const { read, written } = new Ours().encodeInto(text, a);
      assert.deepEqual([{ read, written }, a], [new TextEncoder().encodeInto(text, b), b], JSON.stringify([text, size]));
    }
  }
});

test('crypto', async () => {
  const box = sandbox();
  const check = async (code, expected) => assert.equal(await box.run(`(async () => { ${code} })()`), expected, code);
  await check('return crypto.randomUUID()', '00010203-0405-4607-8809-0a0b0c0d0e0f');
  await check('return crypto.getRandomValues(new Uint16Array(2)).join()', `${0x1110},${0x1312}`);
  const hex = "const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');";
  await check(`${hex} return hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc')))`, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  await check(`const e = new TextEncoder(); const k = await crypto.subtle.importKey('raw', e.encode('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
    const s = await crypto.subtle.sign('HMAC', k, e.encode('m')); return await crypto.subtle.verify('HMAC', k, s, e.encode('m')) && !await crypto.subtle.verify('HMAC', k, s, e.encode('n')) && k.algorithm.hash.name`, 'SHA-256');
  const fails = async (code, name) => check(`try { await ${code}; return 'none' } catch (e) { return e.name }`, name);
  await check(`${hex} return hex(await crypto.subtle.digest('sha-1', new TextEncoder().encode('abc')))`, 'a9993e364706816aba3e25717850c26c9cd0d89d');
  await fails("crypto.subtle.digest('MD5', new Uint8Array(1))", 'NotSupportedError');
  await fails("crypto.subtle.importKey('jwk', {}, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])", 'DataError');
  await fails("crypto.subtle.importKey('hex', {}, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])", 'TypeError');
  await fails("crypto.subtle.importKey('raw', new Uint8Array(1), { name: 'HMAC', hash: 'SHA-256' }, false, [])", 'SyntaxError');
  await fails("crypto.subtle.importKey('raw', new Uint8Array(1), { name: 'HMAC', hash: 'SHA-256' }, false, ['encrypt'])", 'SyntaxError');
  await fails("crypto.subtle.encrypt('AES-GCM')", 'TypeError');
  await fails("crypto.subtle.generateKey({ name: 'AES-GCM', length: 100 }, true, ['encrypt'])", 'OperationError');
  await fails("crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-1' }, true, ['sign'])", 'NotSupportedError');
  await fails('(async () => crypto.getRandomValues(new Uint8Array(65537)))()', 'QuotaExceededError');
  await fails('(async () => crypto.getRandomValues(new Float32Array(1)))()', 'TypeMismatchError');
  await fails('(async () => new CryptoKey())()', 'TypeError');
});

test('console formats as Node does', () => {
  const box = sandbox();
  for (const code of [
    "'%s is %d years and %i, %f, %j, %o %% %x', 'Bob', '42', 4.9, '1.5', { a: 1 }, 1, 'rest', { b: 2 }", "{ a: 1, b: 'x', c: [1, 2, [3, [4, [5]]]], d: { e: { f: { g: 1 } } } }", "[undefined, null, -0, 1n, Symbol('s'), true]",
    "new Map([[{ a: 1 }, 'b']]), new Set([1, 'x'])", "[1, , 3], Object.assign([1], { k: 'v' })", "function named() {}, class A {}, class B extends Array {}, () => {}, async () => {}", "{ get a() { return 1 }, set b(v) {}, get c() { return 1 }, set c(v) {} }",
    "Object.create(null), Object.create({ constructor: { name: 'x' } })", "'it\\'s', ['it\\'s', 'a\\nb', 'q\"q\\'']", "new Date(0), /re/g, new Date(NaN)", "(() => { const o = { name: 'o' }; o.self = o; o.list = [o]; return o })()", "new (class Foo { x = 1 })", "new (class Foo extends Map {})",
    "{ 'a-b': 1, 2: 3, [Symbol('k')]: 4 }", "Array.from({ length: 3 }, (_, i) => ({ id: i, name: 'item number ' + i, tags: ['one', 'two'] }))", "new Uint8Array(3), new Number(3), new String('x')", "'a', 1, null", "'%s', null", "'%c styled', 'color: red'", "'%d', 5n", "'100%', 1", "'%s', { a: { b: 1 } }, 5",
    "[[[[]]]], [[[[1]]]], { a: {} }", "{ a: 'x'.repeat(80), b: 1 }", "new WeakMap()",
  ]) {
    box.state.logs.length = 0;
    box.run(`console.log(${code})`);
    // eslint-disable-next-line no-new-func
    assert.equal(box.state.logs[0].message, format(...new Function(`return [${code}]`)()), code);
  }
});

test('console says what cannot be shown, and bounds what can', () => {
  const box = sandbox();
  box.run(`{ const r = Proxy.revocable({}, {}); r.revoke(); console.log(r.proxy); console.log(new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 } })); }
    console.log(Array.from({ length: 5000 }, (_, i) => ({ i, s: 'x'.repeat(5000) }))); let deep = {}; for (let i = 0; i < 1e5; i++) deep = { deep }; console.dir(deep, { depth: null }); console.log(['x'.repeat(2e6)]);
    console.log(Array(1e9)); console.log(10n ** 10000n);`);
  assert.ok(box.state.logs.every(({ message }) => message.length < 700_000 && message.length > 0), box.state.logs.map((l) => l.message.length).join());
});

test('console levels, groups, counts, errors', () => {
  const box = sandbox();
  box.run(`console.debug('d'); console.warn('w'); console.error('e'); console.assert(true, 'no'); console.assert(false, 'a %s', 'b'); console.group('g'); console.log('in\\nside'); console.groupEnd(); console.count(); console.count();
    console.countReset(); console.count('x'); console.time('t'); console.timeEnd('t'); console.timeEnd('t'); console.table([{ a: 1, b: 'x' }, { a: 2 }]); console.log(new TypeError('bad', { cause: new Error('why') }));`);
  const lines = box.state.logs.map(({ level, message }) => [level, message]);
  assert.deepEqual(lines.slice(0, 12), [[0, 'd'], [2, 'w'], [3, 'e'], [3, 'Assertion failed: a b'], [1, 'g'], [1, '  in\n  side'], [1, 'default: 1'], [1, 'default: 2'], [1, 'x: 1'], [1, 't: 0ms'],
    [2, "No such label 't' for console.time()"], [1, '┌─────────┬───┬─────┐\n│ (index) │ a │ b   │\n├─────────┼───┼─────┤\n│ 0       │ 1 │ \'x\' │\n│ 1       │ 2 │     │\n└─────────┴───┴─────┘']]);
  assert.match(lines[12][1], /^TypeError: bad\n {4}at .*\{\n {2}\[cause\]: Error: why\n {6}at/s);
});

test('globals are not enumerable, and can be replaced', () => {
  const box = sandbox();
  assert.equal(box.run('(() => { const seen = []; for (const k in globalThis) seen.push(k); return seen.join() })()'), '');
  assert.equal(box.run("fetch = 1; Object.prototype.toString.call(new Headers()) + typeof fetch + (self === globalThis) + navigator.userAgent"), '[object Headers]numbertrueBelljar');
});

test('performance starts with the call', () => {
  const box = sandbox();
  box.run('performance.now()');
  box.state.nowUs += 5_000_000;
  box.driver.shell([], [], []);
  box.state.nowUs += 1500;
  assert.equal(box.run('performance.now()'), 1.5);
});
