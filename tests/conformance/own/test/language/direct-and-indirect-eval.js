/*---
description: a direct eval sees local bindings, an indirect one the global object
flags: [noStrict]
includes: [lists.js]
---*/
var place = 'global';
function test() { let place = 'local'; return [eval('place'), (0, eval)('typeof place')]; }
sameList(test(), ['local', 'string']);
