/*---
description: errors have causes, and stacks that are text
---*/
var cause = new RangeError('inner'), error = new Error('outer', { cause: cause });
assert.sameValue(error.cause, cause);
assert.sameValue(Object.hasOwn(new Error('x'), 'cause'), false);
assert.sameValue(String(error), 'Error: outer');
assert.sameValue(typeof error.stack, 'string');
class Own extends TypeError { get name() { return 'Own'; } }
assert.sameValue(String(new Own('m')), 'Own: m');
assert.sameValue(new AggregateError([1, 2], 'm').errors.length, 2);
