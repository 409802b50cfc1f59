// Blob, File, FormData, and bodies made of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callWith, request, sandbox } from './harness.mjs';

/** Runs the body of an async function in a sandbox; its JSON must equal that of `expected`. */
async function check(code, expected, box = sandbox()) {
  assert.equal(await box.run(`(async () => { ${code} })().then(JSON.stringify)`), JSON.stringify(expected), code);
}
const raises = (code, name) => check(`try { ${code}; return 'none' } catch (e) { return e.name }`, name);

test('Blob', async () => {
  await check("const b = new Blob(['a\\u20ac', new Uint8Array([98]), new Blob(['c']), new DataView(new ArrayBuffer(1)), 5, {}], { type: 'Text/X' }); return [b.size, b.type, await b.text()]", [23, 'text/x', 'a\u20acbc\0' + '5[object Object]']);
  await check("const b = new Blob(['abcdef'], { type: 'a/b' }); return [await b.slice(1, 3).text(), await b.slice(-2).text(), await b.slice(0, -4, 'C/d').text(), b.slice(0, 1, 'C/d').type, b.slice().type, b.slice(4, 2).size, b.slice(NaN, 1).size]", ['bc', 'ef', 'ab', 'c/d', '', 0, 1]);
  await check("const u = new Uint8Array([1]); const b = new Blob([u]); u[0] = 2; const x = await b.bytes(); x[0] = 3; return [(await b.bytes())[0], new Uint8Array(await b.arrayBuffer())[0]]", [1, 1]);
  await check("return [await new Blob(['a\\r\\nb\\rc\\n'], { endings: 'native' }).text(), new Blob([], { type: '\\u00e9' }).type, await new Blob(new Set(['x', 'y'])).text(), `${new Blob()}`, new Blob().size]", ['a\nb\nc\n', '', 'xy', '[object Blob]', 0]);
  for (const code of ["new Blob('x')", 'new Blob({})', 'new Blob(1)', "new Blob([], { endings: 'x' })", 'Blob()']) await raises(code, 'TypeError');
  await check("const f = structuredClone(new File(['x'], 'n', { lastModified: 5, type: 'a/b' })); return [f instanceof File, f.name, f.lastModified, f.type, await f.text(), structuredClone(new Blob(['yy'])) instanceof File]", [true, 'n', 5, 'a/b', 'x', false]);
});

test('File', async () => {
  await check("const f = new File(['ab'], 'n/\\ud800', { type: 'A/b' }); return [f.name, f.size, f.type, f.lastModified, f instanceof Blob, `${f}`, f.slice(0, 1) instanceof File]", ['n/\ufffd', 2, 'a/b', 1_700_000_000_000, true, '[object File]', false]);
  for (const code of ['new File([])', 'new File()', "new File('x', 'n')", "new File(undefined, 'n')"]) await raises(code, 'TypeError');
});

test('FormData', async () => {
  await check("const f = new FormData(); f.append('a', 1); f.append('b', new Blob(['x'])); f.append('a', 'z'); f.append('c', new File(['y'], 'n'), 'm'); return [f.get('a'), f.getAll('a'), f.get('b').name, f.get('c').name, f.get('c') instanceof File, f.get('none'), f.has('a'), [...f.keys()]]", ['1', ['1', 'z'], 'blob', 'm', true, null, true, ['a', 'b', 'a', 'c']]);
  await check("const f = new FormData(); f.append('a', 1); f.append('b', 2); f.append('a', 3); f.set('a', 4); f.set('n', 5); f.delete('b'); const seen = []; f.forEach((v, k) => seen.push(k + v)); return [seen, [...f], [...f.values()]]", [['a4', 'n5'], [['a', '4'], ['n', '5']], ['4', '5']]);
  for (const code of ['new FormData(null)', "new FormData().append('a')", "new FormData().append('a', 'b', 'c')"]) await raises(code, 'TypeError');
});

test('forms as bodies, there and back', async () => {
  await check(`const f = new FormData(); f.append('na"me\\n', 'a\\nb'); f.append('file', new File([new Uint8Array([0, 13, 10, 45, 45, 255])], 'x".bin')); f.append('t', new File(['hi'], 't.txt', { type: 'text/plain' }));
    const r = new Response(f); const back = await r.clone().formData(); const text = await r.text(); const file = back.get('file');
    return [[...back.keys()], back.get('na"me\\r\\n'), file.name, file.type, [...await file.bytes()], back.get('t').type, r.headers.get('content-type').startsWith('multipart/form-data; boundary=----belljar'), text.split('\\r\\n').slice(1, 4)]`,
  [['na"me\r\n', 'file', 't'], 'a\r\nb', 'x".bin', 'application/octet-stream', [0, 13, 10, 45, 45, 255], 'text/plain', true, ['Content-Disposition: form-data; name="na%22me%0D%0A"', '', 'a\r\nb'.split('\r\n')[0]]]);
  await check("const f = await new Request('https://h/', { method: 'POST', body: new URLSearchParams('a=1&b=%C3%A4&a=2') }).formData(); return [...f]", [['a', '1'], ['b', '\u00e4'], ['a', '2']]);
  await check("const b = await new Response(new Blob(['x'], { type: 'a/b;q=\"1 2\"' })).blob(); return [b.type, b.size, (await new Response('x').blob()).type, (await new Response().blob()).size]", ['a/b;q="1 2"', 1, 'text/plain;charset=UTF-8', 0]);
  const multipart = (body) => `await new Response(${JSON.stringify(body)}, { headers: { 'content-type': 'Multipart/Form-Data; x=y; boundary="B B"' } }).formData()`;
  await check(`return [...${multipart('preamble\r\n--B B\r\nContent-Disposition: form-data; name="a"\r\nx: y\r\n\r\none\r\n--B B  \r\ncontent-disposition: form-data; filename="n"; name="f"\r\n\r\n\r\n--B B--\r\nepilogue')}].map(([k, v]) => [k, v.name ?? v, v.type])`, [['a', 'one', null], ['f', 'n', 'text/plain']]);
  for (const body of ['', '--B B', '--B B\r\n', '--B B\r\nx\r\n\r\n', '--B B\r\ncontent-disposition: form-data; name="a"\r\n\r\nopen', '--B B\r\ncontent-disposition: form-data\r\n\r\nv\r\n--B B--', '--B Bx']) await raises(multipart(body), 'TypeError');
  await raises("await new Response('x').formData()", 'TypeError');
  await raises("await new Response('x', { headers: { 'content-type': 'multipart/form-data' } }).formData()", 'TypeError');
});

test('a handler reads an uploaded form', async () => {
  const box = sandbox();
  const body = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n';
  const reply = await callWith(box, '({ default: async (context) => { const form = await context.request.formData(); return { name: form.get("file").name, text: await form.get("file").text() } } })',
    { request: request('POST', 'https://h/', ['content-type', 'multipart/form-data; boundary=x'], body), trigger: 'http' });
  assert.equal(reply, '{"name":"a.txt","text":"hello"}');
});

test('what is rarely used is made on first use', () => {
  const box = sandbox();
  const kind = (name) => box.run(`(d => d.get ? 'lazy' : typeof d.value)(Object.getOwnPropertyDescriptor(globalThis, '${name}'))`);
  assert.equal(kind('FormData'), 'lazy');
  box.run('globalThis.F = FormData; Blob = 5');
  assert.deepEqual([kind('FormData'), kind('Blob'), kind('File'), box.run('F === FormData')], ['function', 'number', 'lazy', true]);
});
