// Runs before testharness.js, in the sandbox and in other engines alike. It stands in for what a server and a document would give: `location`, and
// files of the checkout that a test fetches by a literal path. `PAGE` is an object: `href`, `search`, `folder` (of the test, in the
// checkout), `files` (path → text).
(function (global, page) {
  'use strict';
  var define = function (name, value) {
    Object.defineProperty(global, name, { value: value, writable: true, enumerable: false, configurable: true });
  };
  if (typeof global.self === 'undefined') define('self', global);
  var no = function () { return false; };
  define('GLOBAL', { isWindow: no, isWorker: no, isShadowRealm: no });

  if (typeof global.location === 'undefined') {
    define('location', {
      href: page.href, search: page.search, origin: 'https://web-platform.test', protocol: 'https:', host: 'web-platform.test',
      hostname: 'web-platform.test', port: '', pathname: '/', hash: '', toString: function () { return page.href; },
    });
    // Relative URLs are relative to the document, which only this file knows of.
    var PlatformRequest = global.Request;
    if (typeof PlatformRequest === 'function') {
      define('Request', new Proxy(PlatformRequest, {
        construct: function (target, args, newTarget) {
          var list = Array.prototype.slice.call(args);
          if (typeof list[0] === 'string') {
            // What cannot be parsed is left for Request to complain about.
            try { list[0] = new URL(list[0], page.href).href; } catch (error) { void error; }
          }
          return Reflect.construct(target, list, newTarget === global.Request ? target : newTarget);
        },
      }));
    }
  }

  function normalized(path) {
    var parts = [];
    path.split('/').forEach(function (part) {
      if (part === '..') parts.pop();
      else if (part !== '' && part !== '.') parts.push(part);
    });
    return parts.join('/');
  }
  function file(url) {
    var path = String(url).split('?')[0].replace('https://web-platform.test', '');
    var key = path[0] === '/' ? normalized(path) : normalized(page.folder + '/' + path);
    return Object.prototype.hasOwnProperty.call(page.files, key) ? page.files[key] : undefined;
  }
  if (Object.keys(page.files).length > 0) {
    var platformFetch = global.fetch;
    define('fetch', function fetch(input) {
      var text = typeof input === 'string' ? file(input) : undefined;
      if (text === undefined) return Reflect.apply(platformFetch, global, arguments);
      return Promise.resolve({
        ok: true, status: 200,
        text: function () { return Promise.resolve(text); },
        json: function () { return Promise.resolve(JSON.parse(text)); },
        arrayBuffer: function () { return Promise.resolve(new TextEncoder().encode(text).buffer); },
      });
    });
  }
})(globalThis, PAGE);
