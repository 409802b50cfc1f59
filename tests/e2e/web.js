// Run by web.rs: what the engine itself does for the web platform, which the tests under guest-js/web have a stand-in for.

const wrong = [];
const check = (what, got, expected) => { if (!Object.is(got, expected)) wrong.push(`${what}: ${String(got)} instead of ${String(expected)}`); };
const name = (f) => { try { f(); } catch (e) { return e.name; } return 'none'; };

// URL: parsing, IDNA, parts, setters.
for (const [text, base, expected] of [
  ['HTTP://EXAMPLE.com:80/../a b?q#h', undefined, 'http://example.com/a%20b?q#h'],
  ['http:\\\\h\\p\\q', undefined, 'http://h/p/q'],
  ['http://0x7f.1/', undefined, 'http://127.0.0.1/'],
  ['https://[1:0:0:0:0:0:0:8]/', undefined, 'https://[1::8]/'],
  ['https://bücher.example/ü?ü#ü', undefined, 'https://xn--bcher-kva.example/%C3%BC?%C3%BC#%C3%BC'],
  ['https://faß.ExAmPlE/', undefined, 'https://xn--fa-hia.example/'],
  ['http://你好你好', undefined, 'http://xn--6qqa088eba/'],
  ['https://x\u00adn.example/', undefined, 'https://xn.example/'],
  ['https://xn--a/', undefined, undefined],
  ['../c?d', 'https://u:p@h:8443/a/b/e#f', 'https://u:p@h:8443/a/c?d'],
  ['//i/x', 'https://h/', 'https://i/x'],
  ['data:text/plain,hi', 'https://h/', 'data:text/plain,hi'],
  ['non-spec:/.//p', undefined, 'non-spec:/.//p'],
  ['http://a b/', undefined, undefined],
  ['http://h:65536/', undefined, undefined],
  ['x', undefined, undefined],
]) {
  check(`URL ${text}`, URL.parse(text, base)?.href, expected);
  check(`canParse ${text}`, URL.canParse(text, base), expected !== undefined);
}
const all = ['protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash', 'origin'];
const parts = (text) => all.map((part) => new URL(text)[part]).join('|');
check('parts', parts('https://u:p@h.example:8443/a/b?c#d'), 'https:|u|p|h.example:8443|h.example|8443|/a/b|?c|#d|https://h.example:8443');
check('few parts', parts('https://:p@h/?#'), 'https:||p|h|h||/|||https://h');
check('opaque parts', parts('mailto:a@b?c'), 'mailto:||||||a@b|?c||null');
check('double slash', parts('x:/.//y'), 'x:||||||//y|||null');
for (const [start, part, value, expected] of [
  ['https://h/', 'protocol', 'http:x', 'http://h/'], ['https://h/', 'protocol', 'x', 'https://h/'], ['https://h/', 'host', 'ü:81', 'https://xn--tda:81/'],
  ['https://h/', 'hostname', 'i:9', 'https://h/'], ['https://h:1/', 'port', '', 'https://h/'], ['https://h/', 'port', '8x', 'https://h:8/'],
  ['https://h/a', 'pathname', 'é ?', 'https://h/%C3%A9%20%3F'], ['https://h/?a', 'search', '', 'https://h/'], ['https://h/', 'hash', '#é', 'https://h/#%C3%A9'],
  ['https://h/', 'username', 'a:b', 'https://a%3Ab@h/'], ['mailto:x', 'username', 'a', 'mailto:x'], ['foo:/a', 'pathname', '//x', 'foo:/.//x'],
]) {
  const url = new URL(start);
  url[part] = value;
  check(`${start} ${part} ${value}`, url.href, expected);
}
{
  const url = new URL('https://h/?a=1&b=%C3%A9+x&a=3');
  const params = url.searchParams;
  check('pairs', [...params].join('|'), 'a,1|b,é x|a,3');
  params.append('c d', '~\'é&');
  params.delete('a', '1');
  check('changed', url.href, "https://h/?b=%C3%A9+x&a=3&c+d=%7E%27%C3%A9%26");
  check('form', new URLSearchParams('?a=%zz%E0&&=x').toString(), 'a=%25zz%EF%BF%BD&=x');
}

// URLPattern.
{
  const pattern = new URLPattern({ pathname: '/users/:id(\\d+)/:rest*' });
  check('groups', JSON.stringify(pattern.exec('https://h/users/7/a/b').pathname.groups), '{"id":"7","rest":"a/b"}');
  check('no match', pattern.exec('https://h/users/x'), null);
  check('hasRegExpGroups', pattern.hasRegExpGroups, true);
  check('of a string', new URLPattern('https://*.example.com/*', undefined).hostname, '*.example.com');
  check('with a base', new URLPattern('/a/:x\\?q=:q', 'https://h:8443').test('https://h:8443/a/b?q=1'), true);
  check('special scheme', new URLPattern('http{s}?://h/:x').exec('https://h/y').pathname.groups.x, 'y');
  check('ignoreCase', new URLPattern({ pathname: '/ABC' }, { ignoreCase: true }).test({ pathname: '/abc' }), true);
  check('members', new URLPattern({ hostname: 'bücher.example', baseURL: 'https://x/y' }).hostname, 'xn--bcher-kva.example');
  check('optional group', new URLPattern({ pathname: '/a/:b?' }).exec({ pathname: '/a' }).pathname.groups.b, undefined);
  for (const bad of [() => new URLPattern('/a'), () => new URLPattern('('), () => new URLPattern({ pathname: '/(' }), () => new URLPattern({ pathname: '/([z-a])' }), () => new URLPattern({}, 'https://h'), () => new URLPattern('http{[}://')]) {
    check(`bad pattern ${bad}`, name(bad), 'TypeError');
  }
}

// Text.
const decode = (label, bytes, options) => new TextDecoder(label, options).decode(new Uint8Array(bytes));
for (const [label, bytes, expected] of [
  ['utf-8', [0xef, 0xbb, 0xbf, 0xe2, 0x82, 0xac, 0xff], '€\ufffd'], ['latin1', [0x80, 0xe9], '€é'], ['utf-16', [0x3d, 0xd8, 0, 0xde, 0x3d, 0xd8], '😀\ufffd'],
  ['shift_jis', [0x82, 0xa0], 'あ'], ['euc-jp', [0xa4, 0xa2], 'あ'], ['iso-2022-jp', [0x1b, 0x24, 0x42, 0x24, 0x22], 'あ'], ['gbk', [0xc4, 0xe3], '你'],
  ['gb18030', [0x81, 0x35, 0xf4, 0x37], '\ue7c7'], ['big5', [0xa7, 0x41], '你'], ['euc-kr', [0xb0, 0xa1], '가'], ['koi8-r', [0xc1], 'а'], ['windows-1251', [0xe0], 'а'],
  ['iso-8859-2', [0xb1], 'ą'], ['macintosh', [0x8a], 'ä'], ['x-user-defined', [0x80], '\uf780'],
]) check(`decode ${label}`, decode(label, bytes), expected);
for (const label of ['utf-7', 'replacement', 'hz-gb-2312', '']) check(`encoding ${label}`, name(() => new TextDecoder(label)), 'RangeError');
check('fatal', name(() => decode('shift_jis', [0x82], { fatal: true })), 'TypeError');
for (const label of ['utf-8', 'utf-16be', 'shift_jis', 'gb18030']) {
  const bytes = { 'utf-8': [0xef, 0xbb, 0xbf, 0x61, 0xf0, 0x9f, 0x98, 0x80], 'utf-16be': [0xfe, 0xff, 0, 0x61, 0xd8, 0x3d, 0xde, 0], shift_jis: [0x61, 0x82, 0xa0], gb18030: [0x61, 0x81, 0x30, 0x81, 0x30] }[label];
  const whole = decode(label, bytes);
  const decoder = new TextDecoder(label);
  for (let round = 0; round < 2; round++) {
    let text = '';
    for (const byte of bytes) text += decoder.decode(new Uint8Array([byte]), { stream: true });
    check(`byte by byte ${label}`, text + decoder.decode(), whole);
  }
}
{
  const bytes = new Uint8Array(6);
  const { read, written } = new TextEncoder().encodeInto('x😀\ud800é', bytes.subarray(0, 5));
  check('encodeInto', [read, written, bytes].join(), '3,5,120,240,159,152,128,0');
  check('encodeInto of half a pair', JSON.stringify(new TextEncoder().encodeInto('\ud800x', bytes)), '{"read":2,"written":4}');
  check('btoa', btoa('\xff\x00a'), '/wBh');
  check('atob', atob(' /w BhYg== '), '\xff\x00ab');
  check('atob of what is not base64', name(() => atob('a')), 'InvalidCharacterError');
  check('btoa beyond bytes', name(() => btoa('€')), 'InvalidCharacterError');
}
check('an error', Object.prototype.toString.call(new DOMException('m', 'AbortError')) + new DOMException('m').stack.split('\n')[0].includes('web.js'), '[object DOMException]true');

const results = [];
fetch('data:application/json;base64,eyJhIjoxfQ==').then((r) => r.json()).then((v) => results.push(v.a));
const { port1, port2 } = new MessageChannel();
port2.onmessage = (e) => results.push(e.data.get('k'));
port1.postMessage(new Map([['k', 2]]));
Promise.reject(new Error('rejected'));
onunhandledrejection = (e) => { results.push(e.reason.message); e.preventDefault(); Promise.resolve().then(() => results.push('job')); };
onrejectionhandled = (e) => results.push(e.type);
onerror = (message, file, line) => results.push(`${message} at ${file.split('/').pop()} ${line > 0}`) > 0;
// Decompressed bytes come before the stream is closed; an unpaired surrogate becomes one replacement character.
const firstOf = async (stream, chunk) => { void stream.writable.getWriter().write(chunk); return (await stream.readable.getReader().read()).value; };
(async () => {
  const zip = new CompressionStream('gzip');
  const writer = zip.writable.getWriter();
  void writer.write(new Uint8Array([1, 2, 3]));
  void writer.close();
  const zipped = await new Response(zip.readable).bytes();
  results.push(`gunzip ${await firstOf(new DecompressionStream('gzip'), zipped)}`);
  results.push(`surrogate ${await firstOf(new TextEncoderStream(), '\ud800x')}`);
})();
const late = Promise.reject(new Error('late'));
setTimeout(() => late.catch(() => {}), 1);
setTimeout(() => { throw new Error('thrown'); }, 2);
setTimeout(() => {
  check('events', results.join(), '1,gunzip 1,2,3,surrogate 239,191,189,120,rejected,late,job,job,2,rejectionhandled,Uncaught Error: thrown at web.js true');
  print(wrong.length === 0 ? 'agreed' : wrong.join('\n'));
}, 20);
