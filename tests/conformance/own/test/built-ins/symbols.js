/*---
description: well-known symbols change what operations do
---*/
var odd = { [Symbol.toPrimitive](hint) { return hint === 'number' ? 42 : hint; }, get [Symbol.toStringTag]() { return 'Odd'; } };
assert.sameValue(+odd, 42);
assert.sameValue(`${odd}`, 'string');
assert.sameValue(odd + '', 'default');
assert.sameValue(Object.prototype.toString.call(odd), '[object Odd]');
class Even { static [Symbol.hasInstance](n) { return n % 2 === 0; } }
assert.sameValue(2 instanceof Even && !(1 instanceof Even), true);
assert.sameValue(Symbol.for('a') === Symbol.for('a') && Symbol('a') !== Symbol('a'), true);
