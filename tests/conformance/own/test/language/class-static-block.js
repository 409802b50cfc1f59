/*---
description: static blocks run with the class, in order
includes: [lists.js]
---*/
var order = [];
class A {
  static x = order.push('x');
  static { order.push('block ' + this.x); }
  static y = order.push('y');
}
sameList(order, ['x', 'block 1', 'y']);
assert.sameValue(A.y, 3);
