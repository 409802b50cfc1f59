/*---
description: sorting keeps the order of equals
---*/
var pairs = [];
for (var i = 0; i < 600; i++) pairs.push({ key: i % 3, place: i });
pairs.sort(function (a, b) { return a.key - b.key; });
for (var j = 1; j < pairs.length; j++) {
  assert.sameValue(pairs[j - 1].key < pairs[j].key || pairs[j - 1].place < pairs[j].place, true, 'at ' + j);
}
