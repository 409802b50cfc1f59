// Lists are compared as text.
function sameList(actual, expected, message) {
  assert.sameValue(Array.from(actual).map(String).join('|'), expected.map(String).join('|'), message);
}
