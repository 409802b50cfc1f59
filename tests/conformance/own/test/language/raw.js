/*---
description: nothing is put before a raw test
flags: [raw]
---*/
'use strict';
var isStrict = (function () { return this === undefined; })();
if (!isStrict || typeof assert !== 'undefined') throw new Error('something stands before this');
