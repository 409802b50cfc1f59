// The URL parser (URL standard, 4.4), span by span instead of character by character: the standard's state machine, with each state
// that only gathers characters replaced by a search for where they end. Knows no class.

import { charCodeAt, indexOf, lastIndexOf, matches, slice, toLowerCase } from '../primordials.ts';
import { parseHost } from './host.ts';
import { C0_CONTROL, FRAGMENT, PATH, percentEncode, QUERY, SPECIAL_QUERY, USERINFO } from './percent.ts';

export interface Url {
  scheme: string;
  username: string;
  password: string;
  host: string | null;
  /** Null when it is the scheme's default. */
  port: number | null;
  /** Segments, or the text of an opaque path. */
  path: string[] | string;
  query: string | null;
  fragment: string | null;
}

const DEFAULT_PORTS: Record<string, number | null> = { __proto__: null, http: 80, https: 443, ws: 80, wss: 443, ftp: 21, file: null } as never;

function isSpecialScheme(scheme: string): boolean { return DEFAULT_PORTS[scheme] !== undefined; }
export function isSpecial(url: Url): boolean { return isSpecialScheme(url.scheme); }

const DRIVE_LETTER = /^[A-Za-z][:|]$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const NEWLINE = /[\t\n\r]/;
const DOTS = /^(?:\.|%2e){1,2}$/i;

const SLASH = 47;
const BACKSLASH = 92;
const QUESTION = 63;
const HASH = 35;

function isSlash(code: number, special: boolean): boolean { return code === SLASH || (special && code === BACKSLASH); }

/** The code at an index; -1 at the end. */
function at(input: string, index: number): number { return index < input.length ? charCodeAt(input, index) : -1; }

/** Removes what the standard ignores: line breaks and tabs anywhere. */
export function withoutNewlines(text: string): string { return matches(NEWLINE, text) ? text.replace(/[\t\n\r]+/g, '') : text; }

function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && charCodeAt(text, start) <= 32) start++;
  while (end > start && charCodeAt(text, end - 1) <= 32) end--;
  return start === 0 && end === text.length ? text : slice(text, start, end);
}

function startsWithDriveLetter(input: string, index: number): boolean {
  if (input.length - index < 2 || !matches(DRIVE_LETTER, slice(input, index, index + 2))) return false;
  const next = at(input, index + 2);
  return next === -1 || next === SLASH || next === BACKSLASH || next === QUESTION || next === HASH;
}

function isNormalizedDrive(segment: string | undefined): segment is string { return segment !== undefined && segment[1] === ':' && matches(DRIVE_LETTER, segment); }

function shorten(url: Url): void {
  const path = url.path as string[];
  if (url.scheme === 'file' && path.length === 1 && isNormalizedDrive(path[0])) return;
  if (path.length > 0) path.length--;
}

function hasCredentials(url: Url): boolean { return url.username !== '' || url.password !== ''; }

function copyPath(path: string[] | string): string[] | string { return typeof path === 'string' ? path : path.slice(); }

export function copyUrl(url: Url): Url { return { ...url, path: copyPath(url.path) }; }

/** Where the authority or host that begins at an index ends. */
function authorityEnd(input: string, from: number, special: boolean): number {
  for (let i = from; i < input.length; i++) {
    const code = charCodeAt(input, i);
    if (code === SLASH || code === QUESTION || code === HASH || (special && code === BACKSLASH)) return i;
  }
  return input.length;
}

/** The colon before the port, not one within brackets; -1 when there is none. */
function portColon(text: string): number {
  const colon = indexOf(text, ':');
  if (colon < 0 || indexOf(text, '[') < 0) return colon;
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '[') inside = true;
    else if (c === ']') inside = false;
    else if (c === ':' && !inside) return i;
  }
  return -1;
}

/** The digits a text begins with as a port; undefined when there are none or too many. */
function portOf(text: string): number | undefined {
  let port = 0;
  let i = 0;
  for (; i < text.length; i++) {
    const digit = charCodeAt(text, i) - 48;
    if (digit < 0 || digit > 9) break;
    port = port * 10 + digit;
    if (port > 65_535) return undefined;
  }
  return i === 0 ? undefined : port;
}

function setPortNumber(url: Url, port: number): void { url.port = port === DEFAULT_PORTS[url.scheme] ? null : port; }

/** User, host and port. */
function parseAuthority(url: Url, authority: string): boolean {
  const special = isSpecial(url);
  let rest = authority;
  const sign = lastIndexOf(authority, '@');
  if (sign >= 0) {
    const credentials = slice(authority, 0, sign);
    const colon = indexOf(credentials, ':');
    url.username = percentEncode(colon < 0 ? credentials : slice(credentials, 0, colon), USERINFO);
    url.password = colon < 0 ? '' : percentEncode(slice(credentials, colon + 1), USERINFO);
    rest = slice(authority, sign + 1);
    if (rest === '') return false;
  }
  const colon = portColon(rest);
  const name = colon < 0 ? rest : slice(rest, 0, colon);
  if (name === '' && (special || colon >= 0)) return false;
  const host = name === '' ? '' : parseHost(name, special);
  if (host === undefined) return false;
  url.host = host;
  const digits = colon < 0 ? '' : slice(rest, colon + 1);
  if (digits === '') return true;
  const port = portOf(digits);
  if (port === undefined || !matches(/^[0-9]+$/, digits)) return false;
  setPortNumber(url, port);
  return true;
}

/** Adds the segments of a text that begins after the first slash. */
function parseSegments(url: Url, text: string): void {
  const special = isSpecial(url);
  const path = url.path as string[];
  for (let from = 0; ;) {
    let end = indexOf(text, '/', from);
    if (special) {
      const other = indexOf(text, '\\', from);
      if (other >= 0 && (end < 0 || other < end)) end = other;
    }
    const last = end < 0;
    let segment = slice(text, from, last ? text.length : end);
    if (segment !== '' && (segment[0] === '.' || segment[0] === '%') && matches(DOTS, segment)) {
      // One dot or its code is as long as it looks: ".", "%2e"; anything longer is two.
      if (segment !== '.' && segment.length !== 3) shorten(url);
      if (last) path[path.length] = '';
    } else {
      segment = percentEncode(segment, PATH);
      if (url.scheme === 'file' && path.length === 0 && matches(DRIVE_LETTER, segment)) segment = `${segment[0] as string}:`;
      path[path.length] = segment;
    }
    if (last) return;
    from = end + 1;
  }
}

/** Path, query and fragment: all that follows the authority. */
function parsePath(url: Url, input: string, from: number, started: boolean): void {
  const special = isSpecial(url);
  let hash = indexOf(input, '#', from);
  if (hash < 0) hash = input.length;
  let question = indexOf(input, '?', from);
  if (question < 0 || question > hash) question = hash;
  let text = slice(input, from, question);
  if (started) parseSegments(url, text);
  else if (special || text !== '') {
    if (isSlash(at(text, 0), special)) text = slice(text, 1);
    parseSegments(url, text);
  }
  parseTail(url, input, question);
}

/** Query and fragment, from the character that begins the first of them. */
function parseTail(url: Url, input: string, from: number): void {
  let hash = indexOf(input, '#', from);
  if (hash < 0) hash = input.length;
  if (from < hash) url.query = percentEncode(slice(input, from + 1, hash), isSpecial(url) ? SPECIAL_QUERY : QUERY);
  if (hash < input.length) url.fragment = percentEncode(slice(input, hash + 1), FRAGMENT);
}

function withAuthority(url: Url, input: string, from: number): Url | undefined {
  const end = authorityEnd(input, from, isSpecial(url));
  if (!parseAuthority(url, slice(input, from, end))) return undefined;
  parsePath(url, input, end, false);
  return url;
}

function skipSlashes(input: string, from: number): number {
  let index = from;
  while (isSlash(at(input, index), true)) index++;
  return index;
}

/** What follows the scheme, relative to a base with a hierarchical path. */
function parseRelative(url: Url, input: string, from: number, base: Url): Url | undefined {
  url.scheme = base.scheme;
  const special = isSpecial(url);
  const first = at(input, from);
  if (isSlash(first, special)) {
    const second = at(input, from + 1);
    if (special && isSlash(second, true)) return withAuthority(url, input, skipSlashes(input, from + 2));
    if (second === SLASH) return withAuthority(url, input, from + 2);
    inheritAuthority(url, base);
    parsePath(url, input, from, false);
    return url;
  }
  inheritAuthority(url, base);
  url.path = copyPath(base.path);
  if (first === -1 || first === HASH) {
    url.query = base.query;
    parseTail(url, input, from);
  } else if (first === QUESTION) parseTail(url, input, from);
  else {
    shorten(url);
    parsePath(url, input, from, true);
  }
  return url;
}

function inheritAuthority(url: Url, base: Url): void {
  url.username = base.username;
  url.password = base.password;
  url.host = base.host;
  url.port = base.port;
}

function parseFile(url: Url, input: string, from: number, base: Url | undefined): Url | undefined {
  url.scheme = 'file';
  url.host = '';
  const like = base !== undefined && base.scheme === 'file' ? base : undefined;
  const first = at(input, from);
  if (isSlash(first, true)) {
    if (isSlash(at(input, from + 1), true)) {
      const end = authorityEnd(input, from + 2, true);
      const name = slice(input, from + 2, end);
      // A drive letter is no host.
      if (matches(DRIVE_LETTER, name)) {
        parsePath(url, input, from + 2, true);
        return url;
      }
      if (name !== '') {
        const host = parseHost(name, true);
        if (host === undefined) return undefined;
        url.host = host === 'localhost' ? '' : host;
      }
      parsePath(url, input, end, false);
      return url;
    }
    if (like !== undefined) {
      url.host = like.host;
      const drive = (like.path as string[])[0];
      if (!startsWithDriveLetter(input, from + 1) && isNormalizedDrive(drive)) (url.path as string[])[0] = drive;
    }
    parsePath(url, input, from + 1, true);
    return url;
  }
  if (like === undefined) {
    parsePath(url, input, from, true);
    return url;
  }
  url.host = like.host;
  url.path = copyPath(like.path);
  if (first === -1 || first === HASH) {
    url.query = like.query;
    parseTail(url, input, from);
  } else if (first === QUESTION) parseTail(url, input, from);
  else {
    if (startsWithDriveLetter(input, from)) url.path = [];
    else shorten(url);
    parsePath(url, input, from, true);
  }
  return url;
}

function parseOpaque(url: Url, input: string, from: number): Url {
  let end = from;
  while (end < input.length && charCodeAt(input, end) !== QUESTION && charCodeAt(input, end) !== HASH) end++;
  let text = slice(input, from, end);
  // A space before the query or the fragment would be lost when the URL is written and read again.
  if (end < input.length && text[text.length - 1] === ' ') text = `${slice(text, 0, -1)}%20`;
  url.path = percentEncode(text, C0_CONTROL);
  parseTail(url, input, end);
  return url;
}

/** Undefined means failure. Throws TypeError for hosts that need IDNA. */
export function parseUrl(text: string, base: Url | undefined): Url | undefined {
  const url: Url = { scheme: '', username: '', password: '', host: null, port: null, path: [], query: null, fragment: null };
  const input = withoutNewlines(trimmed(text));
  const colon = indexOf(input, ':');
  if (colon > 0) {
    const candidate = slice(input, 0, colon);
    if (matches(SCHEME, candidate)) {
      url.scheme = toLowerCase(candidate);
      const from = colon + 1;
      if (url.scheme === 'file') return parseFile(url, input, from, base);
      if (isSpecial(url)) {
        if (base !== undefined && base.scheme === url.scheme && !(at(input, from) === SLASH && at(input, from + 1) === SLASH)) {
          return parseRelative(url, input, from, base);
        }
        return withAuthority(url, input, skipSlashes(input, from));
      }
      if (at(input, from) !== SLASH) return parseOpaque(url, input, from);
      if (at(input, from + 1) === SLASH) return withAuthority(url, input, from + 2);
      parsePath(url, input, from, false);
      return url;
    }
  }
  if (base === undefined) return undefined;
  if (typeof base.path === 'string') {
    if (at(input, 0) !== HASH) return undefined;
    url.scheme = base.scheme;
    url.path = base.path;
    url.query = base.query;
    parseTail(url, input, 0);
    return url;
  }
  return base.scheme === 'file' ? parseFile(url, input, 0, base) : parseRelative(url, input, 0, base);
}

/** The setters (URL standard, 6.1) parse a part of an URL; what is not valid changes nothing. */
export function setProtocol(url: Url, value: string): void {
  const text = withoutNewlines(value);
  const colon = indexOf(text, ':');
  const scheme = toLowerCase(colon < 0 ? text : slice(text, 0, colon));
  if (!matches(SCHEME, scheme) || isSpecial(url) !== isSpecialScheme(scheme)) return;
  if (scheme === 'file' && (hasCredentials(url) || url.port !== null)) return;
  if (url.scheme === 'file' && (url.host === null || url.host === '')) return;
  url.scheme = scheme;
  if (url.port === DEFAULT_PORTS[scheme]) url.port = null;
}

/** With `port`, a port may follow the host. */
export function setHost(url: Url, value: string, port: boolean): void {
  const special = isSpecial(url);
  const text = withoutNewlines(value);
  const authority = slice(text, 0, authorityEnd(text, 0, special));
  const colon = url.scheme === 'file' ? -1 : portColon(authority);
  const name = colon < 0 ? authority : slice(authority, 0, colon);
  if (colon >= 0 && (name === '' || !port)) return;
  if (name === '' && url.scheme !== 'file' && (special || hasCredentials(url) || url.port !== null)) return;
  const host = name === '' ? '' : parseHost(name, special);
  if (host === undefined) return;
  url.host = url.scheme === 'file' && host === 'localhost' ? '' : host;
  if (colon >= 0) setPort(url, slice(authority, colon + 1));
}

export function setPort(url: Url, value: string): void {
  const port = portOf(withoutNewlines(value));
  if (port !== undefined) setPortNumber(url, port);
}

export function setPathname(url: Url, value: string): void {
  const special = isSpecial(url);
  const text = withoutNewlines(value);
  url.path = [];
  if (text === '' && !special) {
    if (url.host === null) url.path[0] = '';
    return;
  }
  parseSegments(url, isSlash(at(text, 0), special) ? slice(text, 1) : text);
}

export function setQuery(url: Url, value: string): void { url.query = percentEncode(withoutNewlines(value), isSpecial(url) ? SPECIAL_QUERY : QUERY); }

export function setFragment(url: Url, value: string): void { url.fragment = percentEncode(withoutNewlines(value), FRAGMENT); }

export function serializePath(url: Url): string {
  if (typeof url.path === 'string') return url.path;
  let text = '';
  for (let i = 0; i < url.path.length; i++) text += `/${url.path[i] as string}`;
  return text;
}

export function serializeHost(url: Url): string {
  if (url.host === null) return '';
  return url.port === null ? url.host : `${url.host}:${url.port}`;
}

export function serializeUrl(url: Url): string {
  let text = `${url.scheme}:`;
  if (url.host !== null) {
    text += '//';
    if (hasCredentials(url)) text += `${url.username}${url.password === '' ? '' : `:${url.password}`}@`;
    text += serializeHost(url);
  } else if (typeof url.path !== 'string' && url.path.length > 1 && url.path[0] === '') text += '/.';
  text += serializePath(url);
  if (url.query !== null) text += `?${url.query}`;
  if (url.fragment !== null) text += `#${url.fragment}`;
  return text;
}
