// URL and URLSearchParams over Node's parser, which stands for the engine's here (tests/e2e/web.rs tests that); search parameters are
// compared with Node's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sandbox } from './harness.mjs';

test('parts', () => {
  const url = sandbox().run("new URL('https://u:p@h.example:8443/a/b?c#d')");
  const parts = ['protocol', 'username', 'password', 'host', 'hostname', 'port', 'origin', 'pathname', 'search', 'hash'].map((part) => url[part]);
  assert.deepEqual(parts, ['https:', 'u', 'p', 'h.example:8443', 'h.example', '8443', 'https://h.example:8443', '/a/b', '?c', '#d']);
});

test('what is not a URL is told', () => {
  const { URL: Ours } = sandbox().run('({ URL })');
  assert.throws(() => new Ours('x'), (e) => e.name === 'TypeError' && e.message === 'Invalid URL: "x"');
  assert.throws(() => new Ours('x', 'y'), (e) => e.message === 'Invalid base URL: "y"');
  assert.throws(() => new Ours(), (e) => e.name === 'TypeError');
  assert.equal(Ours.canParse('x'), false);
  assert.equal(Ours.parse('x'), null);
});

test('parts that are missing are empty, and setters that cannot set change nothing', () => {
  const box = sandbox();
  const all = (url) => box.run(`{ const u = new URL('${url}'); [u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.origin].join('|') }`);
  assert.equal(all('data:a,b?c'), '||||||||null'.replace('||||||||', '|||||a,b|?c||'));
  assert.equal(all('https://:p@h/?#'), '|p|h|h||/|||https://h');
  assert.equal(all('blob:https://h:1/x'), '|||||https://h:1/x|||https://h:1');
  assert.equal(all('x:/.//y'), '|||||//y|||null');
  assert.equal(box.run("{ const u = new URL('https://h/'); u.port = 'x'; u.host = ''; u.protocol = '1'; u.href }"), 'https://h/');
});

test('searchParams and the URL follow each other', () => {
  const box = sandbox();
  assert.equal(box.run(`{ const u = new URL('https://h/?a=1&b=2&a=3'); const p = u.searchParams; const seen = [...p].join();
    p.append('c d', 'é&'); p.delete('b'); p.set('a', '9'); const one = u.href; u.search = '?z=1'; const two = p.toString(); u.href = 'https://i/?y'; const three = [...p.keys()].join();
    p.delete('y'); [seen, one, two, three, u.href, p.size].join(' | ') }`),
  'a,1,b,2,a,3 | https://h/?a=9&c+d=%C3%A9%26 | z=1 | y | https://i/ | 0');
});

test('URLSearchParams as in Node', () => {
  const box = sandbox();
  const check = (code) => {
    // eslint-disable-next-line no-new-func
    assert.equal(box.run(`(${code})(URLSearchParams)`), new Function('URLSearchParams', `return (${code})(URLSearchParams)`)(URLSearchParams), code);
  };
  check(`(P) => new P('?a=b&a=c&%20=+x&&=&q').toString()`);
  check(`(P) => new P({ a: '1', 'b c': 'é~*-._!\\'()' }).toString()`);
  check(`(P) => new P([['a', 1], ['b', null]]).toString()`);
  check(`(P) => { const p = new P('z=1&a=2&ﬃ=3&🌈=4&z=0'); p.sort(); return p.toString() }`);
  check(`(P) => [new P('a=1&a=2').has('a', '2'), new P('a=1').get('b'), new P('a=%zz%E0').get('a'), new P('\\ud800').toString()].join()`);
  check(`(P) => { const p = new P('a=1&b=2&c=3'); const o = []; for (const [k] of p) { o.push(k); p.delete(k) } return o.join() }`);
  check(`(P) => { try { new P([['a']]); return 'none' } catch (e) { return e.name } }`);
  check(`(P) => Object.prototype.toString.call(new P().entries()) + typeof P.prototype[Symbol.iterator]`);
});
