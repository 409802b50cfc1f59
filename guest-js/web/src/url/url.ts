// URL: the class over a parsed record.

import { finishInterface, usvString } from '../webidl.ts';
import {
  copyUrl, parseUrl, serializeHost, serializePath, serializeUrl, setFragment, setHost, setPathname, setPort, setProtocol, setQuery, type Url,
} from './parser.ts';
import { percentEncode, USERINFO } from './percent.ts';
import { linkParams, resetParams, URLSearchParams } from './search-params.ts';

function shortened(text: string): string { return text.length > 200 ? `${text.slice(0, 200)}…` : text; }

function parse(url: unknown, base: unknown): Url {
  let from: Url | undefined;
  if (base !== undefined) {
    const text = usvString(base);
    from = parseUrl(text, undefined);
    if (from === undefined) throw new TypeError(`Invalid base URL: "${shortened(text)}"`);
  }
  const text = usvString(url);
  const record = parseUrl(text, from);
  if (record === undefined) throw new TypeError(`Invalid URL: "${shortened(text)}"`);
  return record;
}

function cannotHaveCredentials(url: Url): boolean { return url.host === null || url.host === '' || url.scheme === 'file'; }

let recordOf: (url: URL) => Url | undefined;
let assume: (record: Url) => URL;
const FROM_RECORD = Symbol('record');

export class URL {
  #url: Url;
  #params: URLSearchParams | undefined;
  static {
    recordOf = (url) => (typeof url === 'object' && url !== null && #url in url ? url.#url : undefined);
    assume = (record) => new URL(FROM_RECORD, record);
  }
  constructor(url: unknown, base?: unknown) {
    if (arguments.length === 0) throw new TypeError('URL: give a URL');
    this.#url = url === FROM_RECORD ? (base as Url) : parse(url, base);
  }
  static canParse(url: unknown, base?: unknown): boolean { return URL.parse(url, base) !== null; }
  static parse(url: unknown, base?: unknown): URL | null {
    const text = usvString(url);
    const baseText = base === undefined ? undefined : usvString(base);
    try {
      return assume(parse(text, baseText));
    } catch {
      return null;
    }
  }

  #host(value: unknown, port: boolean): void {
    const text = usvString(value);
    if (typeof this.#url.path === 'string') return;
    const copy = copyUrl(this.#url);
    try {
      setHost(copy, text, port);
      this.#url = copy;
    } catch {
      // A host that needs IDNA: setters ignore what they cannot take.
    }
  }
  get href(): string { return serializeUrl(this.#url); }
  set href(value: unknown) {
    this.#url = parse(value, undefined);
    if (this.#params !== undefined) resetParams(this.#params, this.#url.query ?? '');
  }
  get origin(): string {
    const { scheme } = this.#url;
    if (scheme === 'http' || scheme === 'https' || scheme === 'ws' || scheme === 'wss' || scheme === 'ftp') return `${scheme}://${serializeHost(this.#url)}`;
    if (scheme === 'blob' && typeof this.#url.path === 'string') {
      const inner = URL.parse(this.#url.path);
      if (inner !== null && (inner.protocol === 'http:' || inner.protocol === 'https:')) return inner.origin;
    }
    return 'null';
  }
  get protocol(): string { return `${this.#url.scheme}:`; }
  set protocol(value: unknown) { setProtocol(this.#url, usvString(value)); }
  get username(): string { return this.#url.username; }
  set username(value: unknown) {
    const text = usvString(value);
    if (!cannotHaveCredentials(this.#url)) this.#url.username = percentEncode(text, USERINFO);
  }
  get password(): string { return this.#url.password; }
  set password(value: unknown) {
    const text = usvString(value);
    if (!cannotHaveCredentials(this.#url)) this.#url.password = percentEncode(text, USERINFO);
  }
  get host(): string { return serializeHost(this.#url); }
  set host(value: unknown) { this.#host(value, true); }
  get hostname(): string { return this.#url.host ?? ''; }
  set hostname(value: unknown) { this.#host(value, false); }
  get port(): string { return this.#url.port === null ? '' : `${this.#url.port}`; }
  set port(value: unknown) {
    const text = usvString(value);
    if (cannotHaveCredentials(this.#url)) return;
    if (text === '') this.#url.port = null;
    else setPort(this.#url, text);
  }
  get pathname(): string { return serializePath(this.#url); }
  set pathname(value: unknown) {
    const text = usvString(value);
    if (typeof this.#url.path !== 'string') setPathname(this.#url, text);
  }
  get search(): string { return this.#url.query === null || this.#url.query === '' ? '' : `?${this.#url.query}`; }
  set search(value: unknown) {
    const text = usvString(value);
    if (text === '') this.#url.query = null;
    else setQuery(this.#url, text[0] === '?' ? text.slice(1) : text);
    if (this.#params !== undefined) resetParams(this.#params, this.#url.query ?? '');
  }
  get searchParams(): URLSearchParams {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams(this.#url.query ?? '');
      // The constructor takes a leading "?" away; in a query it belongs to the first name.
      resetParams(this.#params, this.#url.query ?? '');
      linkParams(this.#params, (query) => {
        this.#url.query = query === '' ? null : query;
      });
    }
    return this.#params;
  }
  get hash(): string { return this.#url.fragment === null || this.#url.fragment === '' ? '' : `#${this.#url.fragment}`; }
  set hash(value: unknown) {
    const text = usvString(value);
    if (text === '') this.#url.fragment = null;
    else setFragment(this.#url, text[0] === '#' ? text.slice(1) : text);
  }
  toString(): string { return serializeUrl(this.#url); }
  toJSON(): string { return serializeUrl(this.#url); }
}
finishInterface(URL, 'URL');

/** The address in an argument: of a URL object without parsing it again, or of text. */
export function hrefOf(value: unknown): string { return serializeUrl(recordOf(value as URL) ?? parse(value, undefined)); }

/** Whether an address (serialised) has a user name or a password. */
export function hasCredentials(href: string): boolean {
  const start = href.indexOf('//');
  if (start < 0) return false;
  for (let i = start + 2; i < href.length; i++) {
    const c = href[i];
    if (c === '@') return true;
    if (c === '/' || c === '?' || c === '#') return false;
  }
  return false;
}
