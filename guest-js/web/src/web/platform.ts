// The list of what is on globalThis.

import { URLSearchParams } from '../url/search-params.ts';
import { URL } from '../url/url.ts';
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
import { Performance, performance } from './performance.ts';
import { Request } from './request.ts';
import { Response } from './response.ts';
import { structuredClone } from './structured-clone.ts';
import { clearInterval, clearTimeout, queueMicrotask, reportUncaught, setInterval, setTimeout } from './timers.ts';

class Navigator {
  get userAgent(): string { return 'Belljar'; }
}
finishInterface(Navigator, 'Navigator');

function reportError(error: unknown): void {
  if (arguments.length === 0) throw new TypeError('reportError: give the error');
  reportUncaught(error);
}

export function installPlatform(): void {
  const globals: Record<string, unknown> = {
    AbortController, AbortSignal, Crypto, CryptoKey, CustomEvent, DOMException, Event, EventTarget, Headers, Navigator, Performance, Request, Response,
    SubtleCrypto, TextDecoder, TextEncoder, URL, URLSearchParams,
    atob, btoa, clearInterval, clearTimeout, fetch, queueMicrotask, reportError, setInterval, setTimeout, structuredClone,
    crypto, performance, navigator: new Navigator(), self: globalThis,
  };
  for (const [name, value] of Object.entries(globals)) {
    if (typeof value === 'function') defineProperty(value, 'name', { value: name, configurable: true });
    installGlobal(name, value);
  }
  installLazily('Blob File', blobs);
  installLazily('FormData', forms);
  installStreams();
}
