// The globals of the sandbox, for projects without TypeScript's DOM library. One file for each part; guest-js/web/test/types.test.mjs
// holds them against what the sandbox has, in both directions.

/// <reference path="./globals/console.d.ts" />
/// <reference path="./globals/crypto.d.ts" />
/// <reference path="./globals/encoding.d.ts" />
/// <reference path="./globals/errors.d.ts" />
/// <reference path="./globals/events.d.ts" />
/// <reference path="./globals/fetch.d.ts" />
/// <reference path="./globals/files.d.ts" />
/// <reference path="./globals/messages.d.ts" />
/// <reference path="./globals/runtime.d.ts" />
/// <reference path="./globals/streams.d.ts" />
/// <reference path="./globals/url.d.ts" />
