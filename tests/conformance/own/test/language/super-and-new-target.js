/*---
description: super reaches the parent, new.target names what was called
---*/
class Parent {
  constructor() { this.made = new.target.name; }
  hello() { return 'parent'; }
}
class Child extends Parent {
  hello() { return super.hello() + ' and child'; }
}
assert.sameValue(new Child().made, 'Child');
assert.sameValue(new Child().hello(), 'parent and child');
assert.throws(TypeError, function () { Parent(); });
