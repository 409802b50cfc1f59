/*---
description: the strings of a template are one frozen object
includes: [lists.js]
---*/
function tag(strings) { return strings; }
function once() { return tag`a${0}\u{62}`; }
assert.sameValue(once(), once());
assert.sameValue(Object.isFrozen(once()), true);
sameList(once(), ['a', 'b']);
sameList(once().raw, ['a', '\\u{62}']);
