// The list of what is on globalThis.

import { URLSearchParams } from '../url/search-params.ts';
import { URL } from '../url/url.ts';
import { patterns } from '../url/url-pattern.ts';
import { defineProperty } from '../primordials.ts';
import { installLazily } from '../lazy.ts';
import { installStreams } from '../streams/globals.ts';
import { finishInterface, installGlobal } from '../webidl.ts';
import { AbortController, AbortSignal } from './abort.ts';
import { atob, btoa } from './base64.ts';
import { blobs } from './blob.ts';
import { Crypto, crypto, CryptoKey, SubtleCrypto } from './crypto.ts';
import { DOMException } from './dom-exception.ts';
import { TextDecoder, TextEncoder } from './encoding.ts';
import { CustomEvent, Event, EventTarget } from './event.ts';
import { fetch } from './fetch.ts';
import { forms } from './form-data.ts';
import { Headers } from './headers.ts';
import { messaging } from './messaging.ts';
import { Performance, performance } from './performance.ts';
import { errorEvents, installHandlers, reportError } from './report.ts';
import { Request } from './request.ts';
import { Response } from './response.ts';
import { structuredClone } from './structured-clone.ts';
import { clearInterval, clearTimeout, queueMicrotask, setInterval, setTimeout } from './timers.ts';

class Navigator {
  get userAgent(): string { return 'Belljar'; }
}
finishInterface(Navigator, 'Navigator');

export function installPlatform(): void {
  // The engine's is the host's randomness, and was made without a name.
  defineProperty(Math.random, 'name', { value: 'random', configurable: true });
  const globals: Record<string, unknown> = {
    AbortController, AbortSignal, Crypto, CryptoKey, CustomEvent, DOMException, Event, EventTarget, Headers, Navigator, Performance, Request, Response,
    SubtleCrypto, TextDecoder, TextEncoder, URL, URLSearchParams,
    atob, btoa, clearInterval, clearTimeout, fetch, queueMicrotask, reportError, setInterval, setTimeout, structuredClone,
    crypto, performance, navigator: new Navigator(), self: globalThis,
  };
  const { addEventListener, removeEventListener, dispatchEvent } = EventTarget.prototype;
  Object.assign(globals, { addEventListener, removeEventListener, dispatchEvent });
  for (const [name, value] of Object.entries(globals)) {
    if (typeof value === 'function') defineProperty(value, 'name', { value: name, configurable: true });
    installGlobal(name, value);
  }
  installLazily('Blob File', blobs);
  installLazily('FormData', forms);
  installLazily('ErrorEvent PromiseRejectionEvent', errorEvents);
  installLazily('MessageChannel MessageEvent MessagePort', messaging);
  installLazily('URLPattern', patterns);
  installHandlers();
  installStreams();
}
