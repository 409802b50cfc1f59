// Run by json.rs: JSON and numbers of the sandbox against ways to the same results that its quick paths do not take.

let seed = 12345;
const random = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, (seed >>> 8) % n);
const wrong = [];
const check = (what, got, expected) => { if (!Object.is(got, expected) && wrong.length < 10) wrong.push(`${what}: ${got} instead of ${expected}`); };

// Numbers: the shortest decimal that is read as the same number.
const shortest = (n) => { for (let p = 1; p <= 17; p++) if (Number(n.toPrecision(p)) === n) return p; };
const digits = (text) => text.replace('-', '').replace('.', '').replace(/^0+/, '').replace(/0+$/, '').length;
for (let i = 0; i < 20000; i++) {
  const n = (random(2) ? -1 : 1) * (random(1 << 24) * 64 + random(64)) / 10 ** random(9) + (random(4) ? 0 : Math.PI * random(1000));
  const text = String(n);
  check(`Number('${text}')`, Number(text), n);
  if (n !== 0 && !text.includes('e')) check(`digits of ${text}`, digits(text), digits(n.toPrecision(shortest(n)).split('e')[0]));
  check(`JSON.parse of ${text}`, JSON.parse(text), n);
  check(`JSON.stringify of ${text}`, JSON.stringify({ n }), `{"n":${text}}`);
}
for (const text of ['0', '-0', '0.0', '-0.0', '1e5', '1E-3', '0.1', '123456789012345', '1234567890123456', '9007199254740993', '0.000001', '0.0000001', '1e400', '-1e-400',
  '5e-324', '1.7976931348623157e308', '2147483647', '2147483648', '-2147483648', '4294967295', '0.1234567890123456', '100000000000000000000000', '1.0', '10.50', '-1.25e2'])
  check(`JSON.parse ${text}`, JSON.parse(text), Number(text));
for (const text of ['01', '-', '.5', '1.', '1e', '+1', '--1', '0x10', '1.e1', 'NaN', '"\t"', '"\\x"', '"abc', '{"a":1,}', '[1,]', "'a'", '{"a" 1}', '"\\u12G4"', '', ' ', 'nul']) {
  let error; try { JSON.parse(text); } catch (e) { error = e; }
  check(`JSON.parse of ${JSON.stringify(text)} throws`, error instanceof SyntaxError, true);
}

// Objects: what is written quickly is what the general way, which a replacer forces, writes.
const general = (value) => JSON.stringify(value, (_, v) => v);
const text = () => Array.from({ length: random(8) }, () => String.fromCharCode([random(32), 34, 92, 97 + random(26), 127, 128 + random(128), 0xd800 + random(2048), 0x4e00 + random(99)][random(8)])).join('');
const primitive = () => [random(1000), -random(1 << 30) * 8, random(1000) / 100, Math.PI, 1e21, 1e-7, -0, NaN, Infinity, true, false, null, undefined, text(), text() + text(), Symbol('s'), () => 1][random(17)];
const key = () => [text(), 'k' + random(9), String(random(30)), '4294967294', '01', '', '__proto__', 'toJSON'][random(8)];
const value = (depth) => {
  if (depth === 0 || random(3) === 0) return primitive();
  if (random(3) === 0) return Array.from({ length: random(5) }, () => value(depth - 1));
  const object = [{}, Object.create({ inherited: 1 }), Object.create(null), new (class K { a = 1; #b = 2; })(), new Date(random(1e9)), new Map([[1, 2]]), Object(1), Object('s'), Object(false)][random(9)];
  for (let n = random(6); n > 0; n--) {
    const name = key();
    if (Object.getOwnPropertyDescriptor(object, name)?.configurable === false) continue;
    Object.defineProperty(object, name, random(8) === 0
      ? { get: () => random(1) + 7, enumerable: random(2) === 0, configurable: true }
      : { value: value(depth - 1), enumerable: random(8) !== 0, writable: true, configurable: true });
  }
  if (random(10) === 0) object[Symbol('x')] = 1;
  if (random(10) === 0) delete object[Object.keys(object)[0]];
  return random(10) === 0 ? Object.freeze(object) : object;
};
for (let i = 0; i < 4000; i++) {
  const v = value(3);
  const written = JSON.stringify(v);
  check('JSON.stringify', written, general(v));
  if (written !== undefined) check('read and written again', JSON.stringify(JSON.parse(written)), JSON.stringify(JSON.parse(written, (_, v) => v)));
}
check('keys twice', JSON.stringify(JSON.parse('{"b":1,"a":2,"b":3,"1":4,"__proto__":5}')), '{"1":4,"b":3,"a":2,"__proto__":5}');
check('its own __proto__', Object.hasOwn(JSON.parse('{"__proto__":null}'), '__proto__'), true);
check('whole numbers are whole', JSON.parse('[1.0,2e0,-0]').map((n) => Object.is(n, -0) ? '-0' : n).join(), '1,2,-0');
check('a toJSON of the prototype', (() => { Object.prototype.toJSON = function () { return 'x'; }; try { return JSON.stringify({ a: { b: 1 } }); } finally { delete Object.prototype.toJSON; } })(), '"x"');
check('a toJSON of numbers', (() => { BigInt.prototype.toJSON = function () { return String(this); }; try { return JSON.stringify({ a: 1n }); } finally { delete BigInt.prototype.toJSON; } })(), '{"a":"1"}');
{ let error; const a = {}; a.a = a; try { JSON.stringify(a); } catch (e) { error = e; } check('a cycle', error instanceof TypeError, true); }
{ const revived = JSON.parse('{"a":[1,{"b":2.50}]}', function (k, v, context) { return typeof v === 'number' ? context.source ?? v : v; }); check('source text', JSON.stringify(revived), '{"a":["1",{"b":"2.50"}]}'); }
if (wrong.length) throw new Error(wrong.join('\n'));
print('agreed');
