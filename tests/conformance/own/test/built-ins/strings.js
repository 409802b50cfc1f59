/*---
description: strings are sequences of UTF-16 units, and know of code points
includes: [lists.js]
---*/
sameList(['\u{1f600}'.length, [...'\u{1f600}a'].length, '\u{1f600}'.codePointAt(0)], [2, 2, 0x1f600]);
assert.sameValue('a\ud800b'.isWellFormed(), false);
assert.sameValue('a\ud800b'.toWellFormed(), 'a\ufffdb');
assert.sameValue('e\u0301'.normalize('NFC'), '\u00e9');
assert.sameValue('\u00df'.toUpperCase() + '\u0130'.toLowerCase().length, 'SS2');
assert.sameValue('abc'.padStart(6, '12') + 'x'.repeat(2) + ' y '.trim(), '121abcxxy');
sameList('a-b-c'.split('-', 2), ['a', 'b']);
assert.sameValue('aaa'.replaceAll('a', function (m, at) { return at; }), '012');
