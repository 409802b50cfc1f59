// $262 (INTERPRETING.md, "Host-Defined Functions"), as far as a program can have it without the engine's help: the same for the
// sandbox and for any other engine. What there is not throws an error by which the runner knows the test. Evaluated in strict and in
// sloppy mode; it leaves nothing else on the global object.
(function (global) {
  var apply = Reflect.apply, transfer = ArrayBuffer.prototype.transfer, indirectEval = global.eval;
  function NoHost(what) {
    this.name = 'Test262NoHostError';
    this.message = 'Test262NoHostError: $262.' + what;
  }
  NoHost.prototype = Object.create(Error.prototype);
  function none(what) { return function () { throw new NoHost(what); }; }
  function agent() {
    var parts = {};
    ['start', 'broadcast', 'getReport', 'sleep', 'monotonicNow'].forEach(function (name) { parts[name] = none('agent'); });
    return parts;
  }
  // Rejections that nobody handles end a program of the sandbox. To the language they are nothing.
  if (typeof global.addEventListener === 'function') {
    global.addEventListener('unhandledrejection', function (event) { event.preventDefault(); });
  }
  Object.defineProperty(global, '$262', {
    writable: true, enumerable: false, configurable: true,
    value: {
      global: global,
      detachArrayBuffer: function (buffer) { apply(transfer, buffer, []); },
      // Not ParseScript: what it declares with `let` stays its own.
      evalScript: function (text) { return indirectEval(text); },
      gc: none('gc'), createRealm: none('createRealm'), agent: agent(),
    },
  });
})(globalThis);
