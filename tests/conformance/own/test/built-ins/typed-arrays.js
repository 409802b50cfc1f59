/*---
description: views of one buffer, their conversions, and a resizable buffer
includes: [lists.js]
---*/
var buffer = new ArrayBuffer(8, { maxByteLength: 16 });
new DataView(buffer).setFloat32(0, 1.5, true);
sameList(new Uint8Array(buffer, 0, 4), [0, 0, 192, 63]);
sameList(Uint8ClampedArray.of(300, -5, 1.5, 2.5, NaN), [255, 0, 2, 2, 0]);
sameList(Int8Array.of(200, -129), [-56, 127]);
var tracking = new Uint8Array(buffer);
buffer.resize(16);
assert.sameValue(tracking.length, 16);
assert.sameValue(buffer.transfer().byteLength, 16);
assert.sameValue(buffer.detached && tracking.length === 0, true);
