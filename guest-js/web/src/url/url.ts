// URL (URL standard, 6.1): a text and where its parts are. The engine parses, and sets; this cuts out.

import type { UrlParts } from '../bindings.ts';
import { native } from '../native.ts';
import { indexOf, slice } from '../primordials.ts';
import { finishInterface, required, usvString } from '../webidl.ts';
import { linkParams, resetParams, URLSearchParams } from './search-params.ts';

// Numbers of the setters, as the engine has them (guest-js/engine/src/url.rs).
const PROTOCOL = 0;
const USERNAME = 1;
const PASSWORD = 2;
const HOST = 3;
const HOSTNAME = 4;
const PORT = 5;
const PATHNAME = 6;
const SEARCH = 7;
const HASH = 8;

function shortened(text: string): string { return text.length > 200 ? `${slice(text, 0, 200)}…` : text; }

function parse(url: unknown, base: unknown): UrlParts {
  const text = usvString(url);
  const from = base === undefined ? undefined : usvString(base);
  const parts = native.urlParse(text, from);
  if (parts !== undefined) return parts;
  if (from !== undefined && !native.urlCanParse(from, undefined)) throw new TypeError(`Invalid base URL: "${shortened(from)}"`);
  throw new TypeError(`Invalid URL: "${shortened(text)}"`);
}

let partsOf: (url: URL) => UrlParts | undefined;
const FROM_PARTS = Symbol('parts');

export class URL {
  #parts: UrlParts;
  #params: URLSearchParams | undefined;
  static { partsOf = (url) => (typeof url === 'object' && url !== null && #parts in url ? url.#parts : undefined); }
  constructor(url: unknown, base?: unknown) {
    required(arguments.length, 1, 'URL');
    this.#parts = url === FROM_PARTS ? (base as UrlParts) : parse(url, base);
  }
  static canParse(url: unknown, base?: unknown): boolean {
    required(arguments.length, 1, 'URL.canParse');
    return native.urlCanParse(usvString(url), base === undefined ? undefined : usvString(base));
  }
  static parse(url: unknown, base?: unknown): URL | null {
    required(arguments.length, 1, 'URL.parse');
    const parts = native.urlParse(usvString(url), base === undefined ? undefined : usvString(base));
    return parts === undefined ? null : new URL(FROM_PARTS, parts);
  }

  #set(part: number, value: unknown): void {
    const parts = native.urlSet(this.#parts[0], part, usvString(value));
    if (parts !== undefined) this.#parts = parts;
  }
  get href(): string { return this.#parts[0]; }
  set href(value: unknown) {
    this.#parts = parse(value, undefined);
    this.#resetParams();
  }
  get origin(): string { return originOf(this.#parts); }
  get protocol(): string { return slice(this.#parts[0], 0, this.#parts[1] + 1); }
  set protocol(value: unknown) { this.#set(PROTOCOL, value); }
  get username(): string {
    const [href, schemeEnd, usernameEnd] = this.#parts;
    return usernameEnd > schemeEnd + 3 ? slice(href, schemeEnd + 3, usernameEnd) : '';
  }
  set username(value: unknown) { this.#set(USERNAME, value); }
  get password(): string {
    const [href, , usernameEnd, hostStart] = this.#parts;
    return href[usernameEnd] === ':' && usernameEnd < hostStart ? slice(href, usernameEnd + 1, hostStart - 1) : '';
  }
  set password(value: unknown) { this.#set(PASSWORD, value); }
  get host(): string { return hostOf(this.#parts); }
  set host(value: unknown) { this.#set(HOST, value); }
  get hostname(): string { return slice(this.#parts[0], this.#parts[3], this.#parts[4]); }
  set hostname(value: unknown) { this.#set(HOSTNAME, value); }
  get port(): string { return this.#parts[5] < 0 ? '' : `${this.#parts[5]}`; }
  set port(value: unknown) { this.#set(PORT, value); }
  get pathname(): string { return slice(this.#parts[0], this.#parts[6], this.#parts[7]); }
  set pathname(value: unknown) { this.#set(PATHNAME, value); }
  get search(): string {
    const [href, , , , , , , queryStart, fragmentStart] = this.#parts;
    return fragmentStart - queryStart > 1 ? slice(href, queryStart, fragmentStart) : '';
  }
  set search(value: unknown) {
    this.#set(SEARCH, value);
    this.#resetParams();
  }
  get searchParams(): URLSearchParams {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams();
      this.#resetParams();
      linkParams(this.#params, (query) => this.#set(SEARCH, query));
    }
    return this.#params;
  }
  #resetParams(): void {
    if (this.#params === undefined) return;
    const [href, , , , , , , queryStart, fragmentStart] = this.#parts;
    // The "?" is not the query's; one that the query begins with belongs to the first name.
    resetParams(this.#params, slice(href, queryStart + 1, fragmentStart));
  }
  get hash(): string {
    const [href, , , , , , , , fragmentStart] = this.#parts;
    return href.length - fragmentStart > 1 ? slice(href, fragmentStart) : '';
  }
  set hash(value: unknown) { this.#set(HASH, value); }
  toString(): string { return this.#parts[0]; }
  toJSON(): string { return this.#parts[0]; }
}
finishInterface(URL, 'URL', ':1 canParse:1 parse:1');

function hostOf(parts: UrlParts): string {
  const name = slice(parts[0], parts[3], parts[4]);
  return parts[5] < 0 ? name : `${name}:${parts[5]}`;
}

function originOf(parts: UrlParts): string {
  const scheme = slice(parts[0], 0, parts[1]);
  if (scheme === 'http' || scheme === 'https' || scheme === 'ws' || scheme === 'wss' || scheme === 'ftp') return `${scheme}://${hostOf(parts)}`;
  if (scheme !== 'blob') return 'null';
  const inner = native.urlParse(slice(parts[0], parts[6], parts[7]), undefined);
  if (inner === undefined) return 'null';
  const of = slice(inner[0], 0, inner[1]);
  return of === 'http' || of === 'https' ? originOf(inner) : 'null';
}

/** The address in an argument: of a URL object without parsing it again, or of text. */
export function hrefOf(value: unknown): string { return (partsOf(value as URL) ?? parse(value, undefined))[0]; }

/** Whether an address (serialised) has a user name or a password. */
export function hasCredentials(href: string): boolean {
  const start = indexOf(href, '//');
  if (start < 0) return false;
  for (let i = start + 2; i < href.length; i++) {
    const c = href[i];
    if (c === '@') return true;
    if (c === '/' || c === '?' || c === '#') return false;
  }
  return false;
}
