// Assertions of the tests beside this folder. The names are those of test262's harness, because the runner includes files by them.
function assert(value, message) {
  if (value !== true) throw new Test262Error((message || 'an assertion') + ': expected true, got ' + String(value));
}
assert.sameValue = function (actual, expected, message) {
  if (!Object.is(actual, expected)) throw new Test262Error((message || 'a value') + ': expected ' + String(expected) + ', got ' + String(actual));
};
assert.throws = function (kind, action, message) {
  try { action(); } catch (error) {
    if (error !== null && typeof error === 'object' && error.constructor === kind) return;
    throw new Test262Error((message || 'an error') + ': expected ' + kind.name + ', got ' + String(error));
  }
  throw new Test262Error((message || 'an error') + ': expected ' + kind.name + ', nothing was thrown');
};
