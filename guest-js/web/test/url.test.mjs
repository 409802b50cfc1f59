// URL and URLSearchParams. `url-cases.json` holds inputs of ours with what the standard's reference implementation (whatwg-url 14) makes
// of them; search parameters are compared with Node's.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sandbox } from './harness.mjs';

const cases = JSON.parse(readFileSync(new URL('url-cases.json', import.meta.url), 'utf8'));

test('parsing', () => {
  const { URL: Ours } = sandbox().run('({ URL })');
  for (const [text, base, expected] of cases.parse) {
    assert.equal(Ours.parse(text, cases.bases[base] ?? undefined)?.href ?? null, expected, JSON.stringify([text, cases.bases[base]]));
  }
});

test('what was parsed is parsed to the same', () => {
  const { URL: Ours } = sandbox().run('({ URL })');
  for (const [, , href] of cases.parse) if (href !== null) assert.equal(new Ours(href).href, href);
});

test('setters', () => {
  const { URL: Ours } = sandbox().run('({ URL })');
  for (const [start, part, value, expected] of cases.set) {
    const url = new Ours(start);
    url[part] = value;
    assert.equal(url.href, expected, JSON.stringify([start, part, value]));
  }
});

test('parts', () => {
  const url = sandbox().run("new URL('https://u:p@h.example:8443/a/b?c#d')");
  const parts = ['protocol', 'username', 'password', 'host', 'hostname', 'port', 'origin', 'pathname', 'search', 'hash'].map((part) => url[part]);
  assert.deepEqual(parts, ['https:', 'u', 'p', 'h.example:8443', 'h.example', '8443', 'https://h.example:8443', '/a/b', '?c', '#d']);
});

test('hosts beyond ASCII are refused with the reason', () => {
  const { URL: Ours } = sandbox().run('({ URL })');
  assert.throws(() => new Ours('https://bücher.example/'), /IDNA/);
  assert.equal(Ours.canParse('https://b%C3%BCcher.example/'), false);
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
