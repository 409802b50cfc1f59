/*---
description: labels end outer loops; switch falls through
includes: [lists.js]
---*/
var seen = [];
outer: for (var i = 0; i < 3; i++) {
  for (var j = 0; j < 3; j++) {
    if (j === 1) continue outer;
    if (i === 2) break outer;
    seen.push(i * 10 + j);
  }
}
switch (2) { case 1: seen.push('no'); case 2: seen.push('two'); case 3: seen.push('three'); break; default: seen.push('no'); }
sameList(seen, [0, 10, 'two', 'three']);
