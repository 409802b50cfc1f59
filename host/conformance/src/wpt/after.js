// Runs after testharness.js: one line for each subtest, and one at the end. The lines are ASCII, whatever the names are.
(function () {
  'use strict';
  var print = console.log.bind(console), end = globalThis.belljarEnd, stringify = JSON.stringify;
  function ascii(text) {
    return text.replace(/[^\x20-\x7e]/g, function (unit) { return '\\u' + ('000' + unit.charCodeAt(0).toString(16)).slice(-4); });
  }
  function tell(tag, value) { print(tag + ascii(stringify(value))); }
  function cut(text, length) { return text === null || text === undefined ? '' : String(text).slice(0, length); }
  setup({ explicit_timeout: true, output: false });
  add_result_callback(function (test) {
    tell('@@WPT ', { name: cut(test.name, 1000), status: test.status, message: test.status === 0 ? '' : cut(test.message, 200) });
  });
  add_completion_callback(function (tests, status) {
    tell('@@WPTEND ', { status: status.status, message: cut(status.message, 200) });
    if (end !== undefined) end();
  });
})();
