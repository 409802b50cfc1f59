/*---
description: private fields, methods and accessors belong to their class
---*/
class Counter {
  #count = 0;
  static #made = 0;
  constructor() { Counter.#made++; }
  #step() { return ++this.#count; }
  get #twice() { return 2 * this.#count; }
  next() { this.#step(); return this.#twice; }
  static made() { return Counter.#made; }
  static is(value) { return #count in value; }
}
var counter = new Counter();
assert.sameValue(counter.next(), 2);
assert.sameValue(counter.next(), 4);
assert.sameValue(Counter.made(), 1);
assert.sameValue(Counter.is(counter) && !Counter.is({}), true);
assert.throws(TypeError, function () { Counter.prototype.next.call({}); });
