// The URL parser (URL standard, 4.4): a state machine over code units. Knows no class.

import { charCodeAt } from '../primordials.ts';
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

export function isSpecial(url: Url): boolean { return DEFAULT_PORTS[url.scheme] !== undefined; }

export type State =
  | 'scheme start' | 'scheme' | 'no scheme' | 'special relative or authority' | 'path or authority' | 'relative' | 'relative slash'
  | 'special authority slashes' | 'special authority ignore slashes' | 'authority' | 'host' | 'hostname' | 'port' | 'file' | 'file slash'
  | 'file host' | 'path start' | 'path' | 'opaque path' | 'query' | 'fragment';

function isAlpha(code: number): boolean { return (code >= 97 && code <= 122) || (code >= 65 && code <= 90); }
function isDigit(code: number): boolean { return code >= 48 && code <= 57; }

function isDriveLetter(text: string, normalized: boolean): boolean {
  return text.length === 2 && isAlpha(charCodeAt(text, 0)) && (text[1] === ':' || (!normalized && text[1] === '|'));
}

function startsWithDriveLetter(text: string, at: number): boolean {
  if (text.length - at < 2 || !isDriveLetter(text.slice(at, at + 2), false)) return false;
  const next = text[at + 2];
  return next === undefined || next === '/' || next === '\\' || next === '?' || next === '#';
}

function shorten(url: Url): void {
  const path = url.path as string[];
  if (url.scheme === 'file' && path.length === 1 && isDriveLetter(path[0] as string, true)) return;
  path.length = Math.max(0, path.length - 1);
}

function isSingleDot(text: string): boolean { return text === '.' || (text.length === 3 && text.toLowerCase() === '%2e'); }

function isDoubleDot(text: string): boolean {
  if (text === '..') return true;
  if (text.length !== 4 && text.length !== 6) return false;
  const lower = text.toLowerCase();
  return lower === '.%2e' || lower === '%2e.' || lower === '%2e%2e';
}

function hasCredentials(url: Url): boolean { return url.username !== '' || url.password !== ''; }

function empty(): Url { return { scheme: '', username: '', password: '', host: null, port: null, path: [], query: null, fragment: null }; }

function copyPath(path: string[] | string): string[] | string { return typeof path === 'string' ? path : path.slice(); }

const STRIP = /^[\0-\x20]+|[\0-\x20]+$/g;
const NEWLINES = /[\t\n\r]/g;

/**
 * Parses `text`; with `override`, changes `url` as a setter does. Undefined means failure. Throws TypeError for hosts that need IDNA.
 */
export function parseUrl(text: string, base: Url | undefined, target?: Url, override?: State): Url | undefined {
  const url = target ?? empty();
  let input = target === undefined && (charCodeAt(text, 0) <= 32 || charCodeAt(text, text.length - 1) <= 32) ? text.replace(STRIP, '') : text;
  if (NEWLINES.test(input)) input = input.replace(NEWLINES, '');
  NEWLINES.lastIndex = 0;
  let state: State = override ?? 'scheme start';
  let buffer = '';
  let atSeen = false;
  let inBrackets = false;
  let passwordSeen = false;
  const { length } = input;
  for (let pointer = 0; pointer <= length; pointer++) {
    const code = pointer < length ? charCodeAt(input, pointer) : -1;
    const c = pointer < length ? (input[pointer] as string) : '';
    switch (state) {
      case 'scheme start':
        if (isAlpha(code)) {
          buffer += c.toLowerCase();
          state = 'scheme';
        } else if (override === undefined) {
          state = 'no scheme';
          pointer--;
        } else return undefined;
        break;
      case 'scheme':
        if (isAlpha(code) || isDigit(code) || c === '+' || c === '-' || c === '.') {
          buffer += c.toLowerCase();
          break;
        }
        if (c === ':') {
          if (override !== undefined) {
            if (isSpecial(url) !== (DEFAULT_PORTS[buffer] !== undefined)) return url;
            if ((hasCredentials(url) || url.port !== null) && buffer === 'file') return url;
            if (url.scheme === 'file' && (url.host === null || url.host === '')) return url;
          }
          url.scheme = buffer;
          if (override !== undefined) {
            if (url.port === DEFAULT_PORTS[url.scheme]) url.port = null;
            return url;
          }
          buffer = '';
          if (url.scheme === 'file') state = 'file';
          else if (isSpecial(url) && base !== undefined && base.scheme === url.scheme) state = 'special relative or authority';
          else if (isSpecial(url)) state = 'special authority slashes';
          else if (input[pointer + 1] === '/') {
            state = 'path or authority';
            pointer++;
          } else {
            url.path = '';
            state = 'opaque path';
          }
        } else if (override === undefined) {
          buffer = '';
          state = 'no scheme';
          pointer = -1;
        } else return undefined;
        break;
      case 'no scheme':
        if (base === undefined || (typeof base.path === 'string' && c !== '#')) return undefined;
        if (typeof base.path === 'string') {
          url.scheme = base.scheme;
          url.path = base.path;
          url.query = base.query;
          url.fragment = '';
          state = 'fragment';
        } else {
          state = base.scheme === 'file' ? 'file' : 'relative';
          pointer--;
        }
        break;
      case 'special relative or authority':
        if (c === '/' && input[pointer + 1] === '/') {
          state = 'special authority ignore slashes';
          pointer++;
        } else {
          state = 'relative';
          pointer--;
        }
        break;
      case 'path or authority':
        if (c === '/') state = 'authority';
        else {
          state = 'path';
          pointer--;
        }
        break;
      case 'relative':
        url.scheme = (base as Url).scheme;
        if (c === '/') state = 'relative slash';
        else if (isSpecial(url) && c === '\\') state = 'relative slash';
        else {
          inherit(url, base as Url);
          if (c === '?') {
            url.query = '';
            state = 'query';
          } else if (c === '#') {
            url.fragment = '';
            state = 'fragment';
          } else if (code !== -1) {
            url.query = null;
            shorten(url);
            state = 'path';
            pointer--;
          }
        }
        break;
      case 'relative slash':
        if (isSpecial(url) && (c === '/' || c === '\\')) state = 'special authority ignore slashes';
        else if (c === '/') state = 'authority';
        else {
          const from = base as Url;
          url.username = from.username;
          url.password = from.password;
          url.host = from.host;
          url.port = from.port;
          state = 'path';
          pointer--;
        }
        break;
      case 'special authority slashes':
        if (c === '/' && input[pointer + 1] === '/') pointer++;
        else pointer--;
        state = 'special authority ignore slashes';
        break;
      case 'special authority ignore slashes':
        if (c !== '/' && c !== '\\') {
          state = 'authority';
          pointer--;
        }
        break;
      case 'authority':
        if (c === '@') {
          if (atSeen) buffer = `%40${buffer}`;
          atSeen = true;
          const colon = passwordSeen ? -1 : buffer.indexOf(':');
          if (passwordSeen) url.password += percentEncode(buffer, USERINFO);
          else if (colon >= 0) {
            url.username += percentEncode(buffer.slice(0, colon), USERINFO);
            url.password += percentEncode(buffer.slice(colon + 1), USERINFO);
            passwordSeen = true;
          } else url.username += percentEncode(buffer, USERINFO);
          buffer = '';
        } else if (code === -1 || c === '/' || c === '?' || c === '#' || (isSpecial(url) && c === '\\')) {
          if (atSeen && buffer === '') return undefined;
          pointer -= buffer.length + 1;
          buffer = '';
          state = 'host';
        } else buffer += c;
        break;
      case 'host':
      case 'hostname':
        if (override !== undefined && url.scheme === 'file') {
          pointer--;
          state = 'file host';
        } else if (c === ':' && !inBrackets) {
          if (buffer === '') return undefined;
          if (override === 'hostname') return undefined;
          const host = parseHost(buffer, isSpecial(url));
          if (host === undefined) return undefined;
          url.host = host;
          buffer = '';
          state = 'port';
        } else if (code === -1 || c === '/' || c === '?' || c === '#' || (isSpecial(url) && c === '\\')) {
          pointer--;
          if (isSpecial(url) && buffer === '') return undefined;
          if (override !== undefined && buffer === '' && (hasCredentials(url) || url.port !== null)) return undefined;
          const host = buffer === '' ? '' : parseHost(buffer, isSpecial(url));
          if (host === undefined) return undefined;
          url.host = host;
          buffer = '';
          state = 'path start';
          if (override !== undefined) return url;
        } else {
          if (c === '[') inBrackets = true;
          if (c === ']') inBrackets = false;
          buffer += c;
        }
        break;
      case 'port':
        if (isDigit(code)) {
          buffer += c;
          break;
        }
        if (code === -1 || c === '/' || c === '?' || c === '#' || (isSpecial(url) && c === '\\') || override !== undefined) {
          if (buffer !== '') {
            const port = Number(buffer);
            if (port > 65_535) return undefined;
            url.port = port === DEFAULT_PORTS[url.scheme] ? null : port;
            buffer = '';
            if (override !== undefined) return url;
          }
          if (override !== undefined) return undefined;
          state = 'path start';
          pointer--;
        } else return undefined;
        break;
      case 'file':
        url.scheme = 'file';
        url.host = '';
        if (c === '/' || c === '\\') state = 'file slash';
        else if (base !== undefined && base.scheme === 'file') {
          url.host = base.host;
          url.path = copyPath(base.path);
          url.query = base.query;
          if (c === '?') {
            url.query = '';
            state = 'query';
          } else if (c === '#') {
            url.fragment = '';
            state = 'fragment';
          } else if (code !== -1) {
            url.query = null;
            if (!startsWithDriveLetter(input, pointer)) shorten(url);
            else url.path = [];
            state = 'path';
            pointer--;
          }
        } else {
          state = 'path';
          pointer--;
        }
        break;
      case 'file slash':
        if (c === '/' || c === '\\') state = 'file host';
        else {
          if (base !== undefined && base.scheme === 'file') {
            url.host = base.host;
            const first = (base.path as string[])[0];
            if (!startsWithDriveLetter(input, pointer) && first !== undefined && isDriveLetter(first, true)) (url.path as string[]).push(first);
          }
          state = 'path';
          pointer--;
        }
        break;
      case 'file host':
        if (code === -1 || c === '/' || c === '\\' || c === '?' || c === '#') {
          pointer--;
          if (override === undefined && isDriveLetter(buffer, false)) state = 'path';
          else if (buffer === '') {
            url.host = '';
            if (override !== undefined) return url;
            state = 'path start';
          } else {
            const host = parseHost(buffer, isSpecial(url));
            if (host === undefined) return undefined;
            url.host = host === 'localhost' ? '' : host;
            if (override !== undefined) return url;
            buffer = '';
            state = 'path start';
          }
        } else buffer += c;
        break;
      case 'path start':
        if (isSpecial(url)) {
          state = 'path';
          if (c !== '/' && c !== '\\') pointer--;
        } else if (override === undefined && c === '?') {
          url.query = '';
          state = 'query';
        } else if (override === undefined && c === '#') {
          url.fragment = '';
          state = 'fragment';
        } else if (code !== -1) {
          state = 'path';
          if (c !== '/') pointer--;
        } else if (override !== undefined && url.host === null) (url.path as string[]).push('');
        break;
      case 'path': {
        const slash = c === '/' || (isSpecial(url) && c === '\\');
        if (code !== -1 && !slash && (override !== undefined || (c !== '?' && c !== '#'))) {
          buffer += c;
          break;
        }
        const path = url.path as string[];
        if (buffer !== '') buffer = percentEncode(buffer, PATH);
        if (isDoubleDot(buffer)) {
          shorten(url);
          if (!slash) path.push('');
        } else if (isSingleDot(buffer)) {
          if (!slash) path.push('');
        } else {
          if (url.scheme === 'file' && path.length === 0 && isDriveLetter(buffer, false)) buffer = `${buffer[0] as string}:`;
          path.push(buffer);
        }
        buffer = '';
        if (c === '?') {
          url.query = '';
          state = 'query';
        } else if (c === '#') {
          url.fragment = '';
          state = 'fragment';
        }
        break;
      }
      case 'opaque path': {
        let end = pointer;
        while (end < length && input[end] !== '?' && input[end] !== '#') end++;
        let opaque = input.slice(pointer, end);
        // A space before the query or the fragment would be lost when the URL is written and read again.
        if (end < length && opaque[opaque.length - 1] === ' ') opaque = `${opaque.slice(0, -1)}%20`;
        url.path = percentEncode(opaque, C0_CONTROL);
        pointer = end;
        if (input[end] === '?') {
          url.query = '';
          state = 'query';
        } else if (input[end] === '#') {
          url.fragment = '';
          state = 'fragment';
        }
        break;
      }
      case 'query': {
        let end = pointer;
        while (end < length && (override !== undefined || input[end] !== '#')) end++;
        url.query = (url.query ?? '') + percentEncode(input.slice(pointer, end), isSpecial(url) ? SPECIAL_QUERY : QUERY);
        pointer = end;
        if (input[end] === '#') {
          url.fragment = '';
          state = 'fragment';
        }
        break;
      }
      case 'fragment':
        url.fragment = (url.fragment ?? '') + percentEncode(input.slice(pointer), FRAGMENT);
        pointer = length;
        break;
    }
  }
  return url;
}

function inherit(url: Url, base: Url): void {
  url.username = base.username;
  url.password = base.password;
  url.host = base.host;
  url.port = base.port;
  url.path = copyPath(base.path);
  url.query = base.query;
}

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

