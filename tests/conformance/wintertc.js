// What the Minimum Common Web API (WinterTC, ECMA-429) names, and whether it is there and does what it is for. One entry for each interface
// and each global of its lists, but for WebAssembly: an engine that is WebAssembly itself has none. An entry passes when every member in
// `members` (of the prototype) and `statics` is there and `does` answers true. Prints a line of JSON for each, and one at the end.
(function () {
  'use strict';
  var entries = [], print = console.log.bind(console);
  function entry(name, members, statics, does) { entries.push({ name: name, members: members, statics: statics, does: does }); }
  function throws(name, action) {
    try { action(); } catch (error) { return error.name === name || 'it throws ' + error.name + ', not ' + name; }
    return 'it does not throw ' + name;
  }
  function after(ms, value) { return new Promise(function (resolve) { setTimeout(resolve, ms, value); }); }
  function bytes(readable) { return new Response(readable).arrayBuffer().then(function (buffer) { return new Uint8Array(buffer); }); }
  function stream() {
    var chunks = Array.prototype.slice.call(arguments);
    return new ReadableStream({ start: function (controller) { chunks.forEach(function (one) { controller.enqueue(one); }); controller.close(); } });
  }

  // Events and abortion
  entry('AbortController', 'abort signal', '', function () {
    var controller = new AbortController(), heard = 0;
    controller.signal.onabort = function () { heard++; };
    controller.abort('reason');
    controller.abort('again');
    return heard === 1 && controller.signal.aborted && controller.signal.reason === 'reason';
  });
  entry('AbortSignal', 'aborted onabort reason throwIfAborted', 'abort any timeout', function () {
    var signal = AbortSignal.any([AbortSignal.abort(), AbortSignal.timeout(60000)]);
    return signal.aborted && throws('AbortError', function () { signal.throwIfAborted(); });
  });
  entry('CustomEvent', 'detail', '', function () { return new CustomEvent('x', { detail: [1] }).detail[0] === 1; });
  entry('DOMException', 'code message name', 'ABORT_ERR DATA_CLONE_ERR', function () {
    var error = new DOMException('m', 'NotFoundError');
    return error instanceof Error && error.code === 8 && error.message === 'm' && typeof error.stack === 'string';
  });
  entry('ErrorEvent', 'colno error filename lineno message', '', function () {
    var event = new ErrorEvent('error', { error: 5, message: 'm', lineno: 3 });
    return event instanceof Event && event.error === 5 && event.message === 'm' && event.lineno === 3;
  });
  entry('Event', 'bubbles cancelable composed composedPath currentTarget defaultPrevented eventPhase preventDefault stopImmediatePropagation ' +
    'stopPropagation target timeStamp type', 'AT_TARGET NONE', function () {
    var event = new Event('x', { cancelable: true });
    event.preventDefault();
    return event.type === 'x' && event.defaultPrevented && event.target === null && !event.isTrusted;
  });
  entry('EventTarget', 'addEventListener dispatchEvent removeEventListener', '', function () {
    var target = new EventTarget(), heard = [], first = function () { heard.push(1); };
    target.addEventListener('x', first);
    target.addEventListener('x', first);
    target.addEventListener('x', { handleEvent: function (event) { heard.push(event.target === target); event.preventDefault(); } }, { once: true });
    var answers = [target.dispatchEvent(new Event('x', { cancelable: true })), target.dispatchEvent(new Event('x'))];
    return heard.join() === '1,true,1' && answers.join() === 'false,true';
  });
  entry('MessageChannel', 'port1 port2', '', function () {
    var channel = new MessageChannel();
    return new Promise(function (resolve) {
      channel.port2.onmessage = function (event) { channel.port1.close(); resolve(event.data.get('a') === 1); };
      channel.port1.postMessage(new Map([['a', 1]]));
    });
  });
  entry('MessageEvent', 'data lastEventId origin ports source', '', function () {
    var event = new MessageEvent('message', { data: 5, origin: 'o' });
    return event.data === 5 && event.origin === 'o' && event.ports.length === 0;
  });
  entry('MessagePort', 'close onmessage onmessageerror postMessage start', '', function () {
    var channel = new MessageChannel(), heard = [];
    channel.port1.addEventListener('message', function (event) { heard.push(event.data); });
    channel.port2.postMessage(1);
    channel.port1.start();
    channel.port2.postMessage(2);
    return after(20).then(function () { channel.port1.close(); return heard.join() === '1,2'; });
  });
  entry('PromiseRejectionEvent', 'promise reason', '', function () {
    var promise = Promise.resolve(), event = new PromiseRejectionEvent('unhandledrejection', { promise: promise, reason: 7 });
    return event.promise === promise && event.reason === 7;
  });

  // Files and bodies
  entry('Blob', 'arrayBuffer size slice stream text type', '', function () {
    var blob = new Blob(['ab', new Uint8Array([99, 100])], { type: 'Text/X' });
    return blob.slice(1, 3).text().then(function (text) { return text === 'bc' && blob.size === 4 && blob.type === 'text/x'; });
  });
  entry('File', 'lastModified name', '', function () {
    var file = new File(['x'], 'n', { lastModified: 5 });
    return file instanceof Blob && file.name === 'n' && file.lastModified === 5;
  });
  entry('FormData', 'append delete entries forEach get getAll has keys set values', '', function () {
    var form = new FormData();
    form.append('a', '1');
    form.append('f', new Blob(['x']), 'n.txt');
    return new Response(form).formData().then(function (read) { return read.get('a') === '1' && read.get('f').name === 'n.txt'; });
  });
  entry('Headers', 'append delete entries forEach get getSetCookie has keys set values', '', function () {
    var headers = new Headers({ B: '2', a: ' 1 ' });
    headers.append('set-cookie', 'x');
    headers.append('set-cookie', 'y');
    return Array.from(headers).join(';') === 'a,1;b,2;set-cookie,x;set-cookie,y' && headers.getSetCookie().length === 2 &&
      throws('TypeError', function () { headers.set('a', 'x\ny'); });
  });
  entry('Request', 'arrayBuffer blob body bodyUsed bytes clone formData headers json method redirect signal text url', '', function () {
    var request = new Request('https://a.example/x/../y', { method: 'post', body: '{"a":1}', headers: { q: '1' } });
    return request.clone().json().then(function (json) { return json.a === 1 && request.method === 'POST' && request.url === 'https://a.example/y'; });
  });
  entry('Response', 'arrayBuffer blob body bodyUsed bytes clone formData headers json ok redirected status statusText text type url',
    'error json redirect', function () {
    var response = Response.json({ a: 1 }, { status: 201 });
    return response.json().then(function (json) {
      return json.a === 1 && response.status === 201 && response.ok && response.bodyUsed && Response.error().type === 'error' &&
        throws('RangeError', function () { Response.redirect('https://a.example/', 200); });
    });
  });

  // Streams
  entry('ByteLengthQueuingStrategy', 'highWaterMark size', '', function () {
    return new ByteLengthQueuingStrategy({ highWaterMark: 3 }).size(new Uint8Array(5)) === 5;
  });
  entry('CompressionStream', 'readable writable', '', function () {
    return bytes(stream(new Uint8Array(1000)).pipeThrough(new CompressionStream('gzip'))).then(function (packed) {
      return packed[0] === 0x1f && packed[1] === 0x8b && packed.length < 100;
    });
  });
  entry('CountQueuingStrategy', 'highWaterMark size', '', function () { return new CountQueuingStrategy({ highWaterMark: 3 }).size() === 1; });
  entry('DecompressionStream', 'readable writable', '', function () {
    // The deflate format with the header of zlib, of "hello".
    var packed = new Uint8Array([120, 156, 203, 72, 205, 201, 201, 7, 0, 6, 44, 2, 21]);
    return bytes(stream(packed).pipeThrough(new DecompressionStream('deflate'))).then(function (plain) {
      return String.fromCharCode.apply(null, plain) === 'hello';
    });
  });
  entry('ReadableByteStreamController', 'byobRequest close desiredSize enqueue error', '', function () {
    var kept;
    new ReadableStream({ type: 'bytes', start: function (controller) { kept = controller; } });
    return kept instanceof ReadableByteStreamController && throws('TypeError', function () { new ReadableByteStreamController(); });
  });
  entry('ReadableStream', 'cancel getReader locked pipeThrough pipeTo tee values', 'from', function () {
    var both = ReadableStream.from([1, 2]).tee(), sum = 0;
    return both[0].pipeTo(new WritableStream({ write: function (chunk) { sum += chunk; } })).then(function () {
      return (async function () { for await (var chunk of both[1]) sum += 10 * chunk; return sum === 33; })();
    });
  });
  entry('ReadableStreamBYOBReader', 'cancel closed read releaseLock', '', function () {
    var source = new ReadableStream({ type: 'bytes', pull: function (controller) { controller.enqueue(new Uint8Array([7, 8])); } });
    return source.getReader({ mode: 'byob' }).read(new Uint8Array(1)).then(function (read) { return read.value[0] === 7 && !read.done; });
  });
  entry('ReadableStreamBYOBRequest', 'respond respondWithNewView view', '', function () {
    var kind, source = new ReadableStream({ type: 'bytes', pull: function (controller) {
      kind = controller.byobRequest instanceof ReadableStreamBYOBRequest;
      controller.byobRequest.view[0] = 9;
      controller.byobRequest.respond(1);
    } });
    return source.getReader({ mode: 'byob' }).read(new Uint8Array(4)).then(function (read) { return kind && read.value.join() === '9'; });
  });
  entry('ReadableStreamDefaultController', 'close desiredSize enqueue error', '', function () {
    var kept;
    new ReadableStream({ start: function (controller) { kept = controller; } }, { highWaterMark: 4 });
    return kept instanceof ReadableStreamDefaultController && kept.desiredSize === 4;
  });
  entry('ReadableStreamDefaultReader', 'cancel closed read releaseLock', '', function () {
    var reader = new ReadableStreamDefaultReader(stream('a'));
    return reader.read().then(function (read) { return read.value === 'a' && reader.closed.then(function () { return true; }); });
  });
  entry('TextDecoderStream', 'encoding fatal ignoreBOM readable writable', '', function () {
    var euro = stream(new Uint8Array([0xe2, 0x82]), new Uint8Array([0xac])).pipeThrough(new TextDecoderStream());
    return (async function () { var text = ''; for await (var chunk of euro) text += chunk; return text === '\u20ac'; })();
  });
  entry('TextEncoderStream', 'encoding readable writable', '', function () {
    return bytes(stream('\ud83d', '\ude00').pipeThrough(new TextEncoderStream())).then(function (read) { return read.join() === '240,159,152,128'; });
  });
  entry('TransformStream', 'readable writable', '', function () {
    var doubled = stream(1, 2).pipeThrough(new TransformStream({
      transform: function (chunk, controller) { controller.enqueue(new Uint8Array([2 * chunk])); },
    }));
    return bytes(doubled).then(function (read) { return read.join() === '2,4'; });
  });
  entry('TransformStreamDefaultController', 'desiredSize enqueue error terminate', '', function () {
    var kept;
    new TransformStream({ start: function (controller) { kept = controller; } });
    return kept instanceof TransformStreamDefaultController;
  });
  entry('WritableStream', 'abort close getWriter locked', '', function () {
    var written = [], sink = new WritableStream({ write: function (chunk) { written.push(chunk); }, close: function () { written.push('end'); } });
    var writer = sink.getWriter();
    writer.write('a');
    return writer.close().then(function () { return written.join() === 'a,end' && sink.locked; });
  });
  entry('WritableStreamDefaultController', 'error signal', '', function () {
    var kept;
    new WritableStream({ start: function (controller) { kept = controller; } });
    return kept instanceof WritableStreamDefaultController && kept.signal instanceof AbortSignal;
  });
  entry('WritableStreamDefaultWriter', 'abort close closed desiredSize ready releaseLock write', '', function () {
    var writer = new WritableStreamDefaultWriter(new WritableStream({}, { highWaterMark: 2 }));
    return writer.ready.then(function () { return writer.desiredSize === 2; });
  });

  // Text and addresses
  entry('TextDecoder', 'decode encoding fatal ignoreBOM', '', function () {
    return new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x41, 0xff])) === 'A\ufffd' &&
      new TextDecoder('latin1').encoding === 'windows-1252' && new TextDecoder('utf-16').decode(new Uint8Array([0xac, 0x20])) === '\u20ac' &&
      throws('TypeError', function () { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])); });
  });
  entry('TextEncoder', 'encode encodeInto encoding', '', function () {
    var into = new Uint8Array(4), done = new TextEncoder().encodeInto('a\u20acb', into);
    return done.read === 2 && done.written === 4 && new TextEncoder().encode('\udc00').join() === '239,191,189';
  });
  entry('URL', 'hash host hostname href origin password pathname port protocol search searchParams toJSON username', 'canParse parse', function () {
    var url = new URL('../\u00e9?a=1#f', 'HTTPS://u:p@EXAMPLE.com:443/b/c');
    url.searchParams.append('b', '2 3');
    return url.href === 'https://u:p@example.com/%C3%A9?a=1&b=2+3#f' && !URL.canParse('//x') && URL.parse('x') === null &&
      new URL('http://0x7f.1/').hostname === '127.0.0.1' && new URL('http://b\u00fccher.example').host === 'xn--bcher-kva.example';
  });
  entry('URLPattern', 'exec hash hostname password pathname port protocol search test username', '', function () {
    var pattern = new URLPattern({ pathname: '/users/:id(\\d+)' });
    return pattern.test('https://a.example/users/7') && !pattern.test('https://a.example/users/x') &&
      pattern.exec('https://a.example/users/7').pathname.groups.id === '7';
  });
  entry('URLSearchParams', 'append delete entries forEach get getAll has keys set size sort toString values', '', function () {
    var params = new URLSearchParams([['b', '1'], ['a', '\u20ac'], ['b', '2']]);
    params.sort();
    params.delete('b', '2');
    return params.toString() === 'a=%E2%82%AC&b=1' && params.size === 2 && params.has('b', '1');
  });

  // Cryptography and time
  entry('Crypto', 'getRandomValues randomUUID subtle', '', function () { return crypto instanceof Crypto && throws('TypeError', function () { new Crypto(); }); });
  entry('CryptoKey', 'algorithm extractable type usages', '', function () {
    return crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']).then(function (key) {
      return key instanceof CryptoKey && key.type === 'secret' && key.usages.join() === 'sign';
    });
  });
  entry('SubtleCrypto', 'decrypt deriveBits deriveKey digest encrypt exportKey generateKey importKey sign unwrapKey verify wrapKey', '', function () {
    return crypto.subtle.digest('SHA-256', new Uint8Array(0)).then(function (hash) { return new Uint8Array(hash)[0] === 0xe3 && hash.byteLength === 32; });
  });
  entry('Performance', 'now timeOrigin toJSON', '', function () { return performance instanceof Performance && performance instanceof EventTarget; });

  // Globals
  entry('globalThis', '', '', function () { return globalThis.globalThis === globalThis; });
  entry('atob', '', '', function () { return atob(' Y W I = ') === 'ab' && throws('InvalidCharacterError', function () { atob('a'); }); });
  entry('btoa', '', '', function () { return btoa('\xff\x00') === '/wA=' && throws('InvalidCharacterError', function () { btoa('\u0100'); }); });
  entry('clearInterval', '', '', function () {
    var count = 0, id = setInterval(function () { count++; }, 1);
    clearInterval(id);
    return after(20).then(function () { return count === 0; });
  });
  entry('clearTimeout', '', '', function () {
    var count = 0;
    clearTimeout(setTimeout(function () { count++; }, 1));
    return after(20).then(function () { return count === 0; });
  });
  entry('console', '', 'assert clear count countReset debug dir dirxml error group groupCollapsed groupEnd info log table time timeEnd timeLog trace warn');
  entry('crypto', '', '', function () {
    var filled = crypto.getRandomValues(new Uint8Array(64));
    return filled.some(function (byte) { return byte !== 0; }) && /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()) &&
      throws('QuotaExceededError', function () { crypto.getRandomValues(new Uint8Array(65537)); });
  });
  entry('fetch', '', '', function () {
    return fetch('not a url').then(function () { return 'it resolves'; }, function (error) { return error.name === 'TypeError'; });
  });
  entry('navigator.userAgent', '', '', function () { return typeof navigator.userAgent === 'string' && navigator.userAgent !== ''; });
  ['onerror', 'onrejectionhandled', 'onunhandledrejection'].forEach(function (name) {
    entry(name, '', '', function () {
      var kept = globalThis[name], listener = function () {};
      globalThis[name] = listener;
      var answer = globalThis[name] === listener;
      globalThis[name] = 5;
      answer = answer && globalThis[name] === null;
      globalThis[name] = kept;
      return answer || 'it is no event handler attribute';
    });
  });
  entry('performance', '', '', function () {
    var before = performance.now();
    return performance.now() >= before && performance.timeOrigin > 1e12;
  });
  entry('queueMicrotask', '', '', function () {
    var order = [];
    Promise.resolve().then(function () { order.push(1); });
    queueMicrotask(function () { order.push(2); });
    return after(1).then(function () { return order.join() === '1,2'; });
  });
  entry('reportError', '', '', function () { return throws('TypeError', function () { reportError(); }); });
  entry('self', '', '', function () { return self === globalThis; });
  entry('setInterval', '', '', function () {
    return new Promise(function (resolve) { var count = 0, id = setInterval(function () { if (++count === 3) { clearInterval(id); resolve(true); } }, 1); });
  });
  entry('setTimeout', '', '', function () {
    return new Promise(function (resolve) { setTimeout(function (a, b) { resolve(a === 1 && b === 2); }, 1, 1, 2); });
  });
  entry('structuredClone', '', '', function () {
    var value = { date: new Date(5), set: new Set([1]), error: new RangeError('m'), big: 5n };
    value.self = value;
    var clone = structuredClone(value), moved = new ArrayBuffer(4);
    structuredClone(moved, { transfer: [moved] });
    return clone !== value && clone.self === clone && clone.date.getTime() === 5 && clone.set.has(1) && clone.error instanceof RangeError &&
      clone.big === 5n && moved.byteLength === 0 && throws('DataCloneError', function () { structuredClone(Symbol()); });
  });

  function lookUp(name) { return name.split('.').reduce(function (value, part) { return value === undefined || value === null ? undefined : value[part]; }, globalThis); }
  function is(name) { return name in globalThis || lookUp(name) !== undefined; }
  function words(text) { return text === '' ? [] : text.split(' '); }
  function check(one) {
    if (!is(one.name)) return Promise.resolve(['missing', '']);
    var value = lookUp(one.name);
    var gone = words(one.members).filter(function (member) { return !(member in value.prototype) && !is_own(one, member); })
      .concat(words(one.statics).filter(function (member) { return !(member in value); }));
    if (gone.length > 0) return Promise.resolve(['partial', 'there is no ' + gone.join(', ')]);
    if (one.does === undefined) return Promise.resolve(['ok', '']);
    var late = after(3000, 'it does not answer');
    var answer = new Promise(function (resolve) { resolve(one.does()); });
    return Promise.race([answer, late]).then(
      function (answer) { return answer === true ? ['ok', ''] : ['partial', typeof answer === 'string' ? answer : 'it does not do what it is for']; },
      function (error) { return ['partial', String(error && error.name) + ': ' + String(error && error.message)]; });
  }
  // Attributes of DOMException and errors may be the object's own.
  function is_own(one, member) { return one.name === 'DOMException' && member in new DOMException('m'); }

  // One after the other: they are not to disturb each other.
  entries.reduce(function (before, one) {
    return before.then(function () { return check(one); }).then(function (found) {
      print('@@ENTRY ' + JSON.stringify({ name: one.name, state: found[0], note: found[1] }));
    });
  }, Promise.resolve()).then(function () { print('@@END ' + entries.length); if (globalThis.belljarEnd) globalThis.belljarEnd(); });
})();
