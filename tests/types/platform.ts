// The web platform. What is wrong has a line above it that expects an error.

export async function streams(upstream: Response): Promise<Response> {
  if (upstream.body === null) return new Response(null, { status: 204 });
  const upper = new TransformStream<string, string>({
    transform(chunk, controller) { controller.enqueue(chunk.toUpperCase()); },
  });
  const text: ReadableStream<string> = upstream.body.pipeThrough(new TextDecoderStream()).pipeThrough(upper);
  const bytes: ReadableStream<Uint8Array> = text.pipeThrough(new TextEncoderStream()).pipeThrough(new CompressionStream('gzip'));
  // @ts-expect-error text is no input of a compression
  text.pipeThrough(new CompressionStream('gzip'));
  // @ts-expect-error there is no such format
  new CompressionStream('brotli');
  return new Response(bytes, { headers: { 'content-encoding': 'gzip' } });
}

export async function readers(stream: ReadableStream<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.byteLength;
  const reader = ReadableStream.from(['a', 'b']).getReader();
  const { done, value } = await reader.read();
  if (!done) length += value.length;
  const byob = new ReadableStream({ type: 'bytes', pull(controller) { controller.byobRequest?.respond(1); } }).getReader({ mode: 'byob' });
  const filled = await byob.read(new Uint8Array(4), { min: 2 });
  length += filled.value?.byteLength ?? 0;
  const sink = new WritableStream<number>({ write(chunk) { length += chunk; } }, new CountQueuingStrategy({ highWaterMark: 2 }));
  const writer = sink.getWriter();
  await writer.ready;
  await writer.write(1);
  // @ts-expect-error numbers were asked for
  await writer.write('one');
  const [left, right] = stream.tee();
  await Promise.all([left.pipeTo(new WritableStream()), right.cancel()]);
  return length;
}

export async function bodies(): Promise<unknown> {
  const form = new FormData();
  form.append('file', new File(['text', new Uint8Array(1)], 'a.txt', { type: 'text/plain' }));
  form.set('field', 'value');
  const entry = form.get('file');
  const blob = entry instanceof File ? entry.slice(0, 2) : new Blob([]);
  async function* pieces(): AsyncGenerator<Uint8Array> { yield new TextEncoder().encode('a'); }
  const request = new Request('https://a.example', { method: 'POST', body: form, headers: [['a', 'b']] });
  const posted = await fetch('https://a.example', { method: 'POST', body: pieces(), duplex: 'half', signal: AbortSignal.any([request.signal]) });
  // @ts-expect-error an object is no body: give JSON.stringify of it, or use sdk.http
  await fetch('https://a.example', { method: 'POST', body: { a: 1 } });
  // @ts-expect-error there is no such option
  await fetch('https://a.example', { timeout: 5 });
  const { headers } = posted;
  for (const [name, value] of headers) console.log(name, value);
  const cookies: string[] = headers.getSetCookie();
  return [await blob.arrayBuffer(), await (await posted.formData()).get('x'), await posted.bytes(), cookies, URL.canParse('x'), URL.parse('x')?.searchParams.size];
}

export function rest(): unknown {
  const timer: number = setTimeout((a: string, b: number) => a.repeat(b), 10, 'a', 2);
  clearTimeout(timer);
  // @ts-expect-error the callback takes a string
  setTimeout((a: string) => a, 10, 1);
  const controller = new AbortController();
  controller.abort(new DOMException('enough', 'AbortError'));
  const target = new EventTarget();
  target.addEventListener('x', (event) => void (event instanceof CustomEvent && event.detail), { signal: controller.signal });
  target.dispatchEvent(new CustomEvent('x', { detail: 1 }));
  const copy: { a: Map<string, number> } = structuredClone({ a: new Map([['b', 1]]) });
  // @ts-expect-error nobody makes a signal but a controller
  new AbortSignal();
  // @ts-expect-error there is no DOM
  void document;
  // @ts-expect-error there is no window
  void window;
  return [copy, performance.now(), performance.timeOrigin, navigator.userAgent, self === globalThis, crypto.randomUUID(), atob(btoa('a'))];
}

export async function signed(body: Uint8Array): Promise<boolean> {
  const key = await crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
  await crypto.subtle.digest('SHA-256', body);
  await crypto.subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key, body);
  // @ts-expect-error the data is missing
  await crypto.subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key);
  return crypto.subtle.verify('HMAC', key, crypto.getRandomValues(new Uint8Array(32)), body);
}

export function events(): unknown {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event) => void (event.data, event.ports.length);
  port2.postMessage({ a: 1 }, [port1]);
  addEventListener('unhandledrejection', (event) => void (event instanceof PromiseRejectionEvent && event.promise));
  onerror = (message) => message.length;
  const routes = new URLPattern({ pathname: '/notes/:id' });
  const id: string | undefined = routes.exec('https://a.example/notes/1')?.pathname.groups['id'];
  // @ts-expect-error there may be no match
  void routes.exec('https://a.example/').pathname;
  // @ts-expect-error ports come in pairs, from a channel
  new MessagePort();
  return [id, routes.test({ pathname: '/notes/2' }), routes.hasRegExpGroups];
}
