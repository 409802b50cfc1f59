/*---
description: JSON is read and written as the standard has it
---*/
assert.sameValue(JSON.stringify({ a: [undefined, function () {}, Symbol()], b: undefined, c: new Date(0), d: -0, e: NaN }),
  '{"a":[null,null,null],"c":"1970-01-01T00:00:00.000Z","d":0,"e":null}');
assert.sameValue(JSON.stringify('\ud800\u2028"'), '"\\ud800\u2028\\""');
assert.sameValue(JSON.stringify([1, { a: 2 }], null, 1), '[\n 1,\n {\n  "a": 2\n }\n]');
assert.sameValue(JSON.parse('{"__proto__":1,"a":[1e2]}', function (key, value) { return value === 100 ? 'x' : value; }).a[0], 'x');
assert.sameValue(Object.keys(JSON.parse('{"__proto__":1}'))[0], '__proto__');
for (var wrong of ['{a:1}', '[1,]', '01', "'a'", '\u00a01', '']) {
  assert.throws(SyntaxError, function () { JSON.parse(wrong); }, wrong);
}
var circle = {}; circle.self = circle;
assert.throws(TypeError, function () { JSON.stringify(circle); });
