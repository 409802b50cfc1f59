/*---
description: the host can detach a buffer
---*/
var view = new Uint8Array(4);
$262.detachArrayBuffer(view.buffer);
assert.sameValue(view.length, 0);
assert.throws(TypeError, function () { view.fill(1); });
