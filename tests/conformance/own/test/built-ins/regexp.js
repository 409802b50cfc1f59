/*---
description: named groups, look-behind, sticky, unicode properties and sets
includes: [lists.js]
---*/
var date = /(?<year>\d{4})-(?<month>\d\d)/u.exec('on 2026-03');
sameList([date.groups.year, date.groups.month, date.index], ['2026', '03', 3]);
assert.sameValue('a1b2'.replace(/(?<=[a-z])\d/g, '#'), 'a#b#');
assert.sameValue(/^\p{Script=Greek}+$/u.test('\u03b1\u03b2'), true);
assert.sameValue('x'.replace(/(?<n>x)/, '[$<n>$&]'), '[xx]');
var sticky = /a/y;
sticky.lastIndex = 1;
assert.sameValue(sticky.test('ba') && sticky.lastIndex === 2 && !sticky.test('ba'), true);
sameList([...'1a2b'.matchAll(/(\d)(?<l>[a-z])/dg)].map(function (m) { return m.indices.groups.l[0]; }), [1, 3]);
