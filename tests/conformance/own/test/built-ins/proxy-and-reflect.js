/*---
description: a proxy answers by its traps, within its target invariants
includes: [lists.js]
---*/
var log = [];
var proxy = new Proxy({ a: 1 }, {
  get: function (target, name, receiver) { log.push('get ' + String(name)); return Reflect.get(target, name, receiver); },
  has: function (target, name) { log.push('has ' + String(name)); return name in target; },
  ownKeys: function (target) { log.push('keys'); return Reflect.ownKeys(target); },
});
assert.sameValue(proxy.a, 1);
assert.sameValue('b' in proxy, false);
sameList(Object.keys(proxy), ['a']);
sameList(log, ['get a', 'has b', 'keys']);
var fixed = Object.defineProperty({}, 'x', { value: 1 });
assert.throws(TypeError, function () { new Proxy(fixed, { get: function () { return 2; } }).x; });
