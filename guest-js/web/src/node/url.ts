// node:url: URL and URLSearchParams are the globals; beside them Node's older parse, format and resolve, and file URLs.

import { once } from '../lazy.ts';
import { URLSearchParams } from '../url/search-params.ts';
import { URL } from '../url/url.ts';
import { checkString, codedError, invalidType } from './errors.ts';
import { punycode } from './punycode.ts';
import { querystring } from './querystring.ts';

/** Schemes whose URLs have `//` and a host even where it is not written. */
const SLASHED = ['http', 'https', 'ftp', 'gopher', 'file', 'ws', 'wss'];
const NO_HOST = 'javascript';
/** What `parse` escapes: nothing of it may stand in a URL. */
const TO_ESCAPE = /[\t\n\r "'<>\\^`{|}]/g;

export const url = once(() => {
  class Url {
    protocol: string | null = null;
    slashes: boolean | null = null;
    auth: string | null = null;
    host: string | null = null;
    port: string | null = null;
    hostname: string | null = null;
    hash: string | null = null;
    search: string | null = null;
    query: string | object | null = null;
    pathname: string | null = null;
    path: string | null = null;
    href = '';

    parse(text: unknown, parseQuery?: boolean, slashesDenoteHost?: boolean): void { Object.assign(this, parse(text, parseQuery, slashesDenoteHost)); }
    format(): string { return formatObject(this); }
    resolve(relative: string): string { return resolve(this.href, relative); }
    resolveObject(relative: string): Url { return parse(resolve(this.href, relative), false, true); }
  }

  function hostInto(result: Url, text: string): void {
    let host = text;
    const port = /:(\d*)$/.exec(host);
    if (port !== null) {
      if (port[1] !== '') result.port = port[1] as string;
      host = host.slice(0, port.index);
    }
    const isV6 = host.startsWith('[') && host.endsWith(']');
    if (!isV6) {
      host = host.toLowerCase();
      if (/[^\0-\x7f]/.test(host)) host = punycode().toASCII(host);
      if (/[\0\t\n\r #%/:<>?@[\\\]^|]/.test(host)) throw Object.assign(codedError(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input: text });
    }
    result.host = host + (result.port === null ? '' : `:${result.port}`);
    result.hostname = isV6 ? host.slice(1, -1).toLowerCase() : host;
  }

  function parse(input: unknown, parseQuery = false, slashesDenoteHost = false): Url {
    if (input instanceof Url) return input;
    checkString(input, 'url');
    const result = new Url();
    const mark = input.search(/[?#]/);
    // A backslash before the query is a slash, as browsers have it.
    let rest = (mark < 0 ? input.replace(/\\/g, '/') : input.slice(0, mark).replace(/\\/g, '/') + input.slice(mark)).trim();
    const scheme = /^[a-z0-9.+-]+:/i.exec(rest);
    let name = '';
    if (scheme !== null) {
      result.protocol = scheme[0].toLowerCase();
      name = result.protocol.slice(0, -1);
      rest = rest.slice(scheme[0].length);
    }
    const hasSlashes = rest.startsWith('//') && name !== NO_HOST && (slashesDenoteHost || scheme !== null || /^\/\/[^@/]+@[^@/]+/.test(rest));
    if (hasSlashes) {
      result.slashes = true;
      rest = rest.slice(2);
    }
    // Without slashes a host is looked for behind any scheme: `mailto:a@b.c` has one.
    if (name !== NO_HOST && (hasSlashes || scheme !== null)) {
      const end = rest.search(/[/?#]/);
      let authority = end < 0 ? rest : rest.slice(0, end);
      rest = end < 0 ? '' : rest.slice(end);
      const at = authority.lastIndexOf('@');
      if (at >= 0) {
        result.auth = decodeURIComponent(authority.slice(0, at));
        authority = authority.slice(at + 1);
      }
      // A host ends where a character stands that no host has.
      const bad = authority.startsWith('[') ? -1 : authority.search(/[\t\n\r "%'<>\\^`{|}]/);
      if (bad >= 0) {
        rest = authority.slice(bad) + rest;
        authority = authority.slice(0, bad);
      }
      hostInto(result, authority);
    }
    if (name !== NO_HOST) rest = rest.replace(TO_ESCAPE, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
    const hash = rest.indexOf('#');
    if (hash >= 0) {
      result.hash = rest.slice(hash);
      rest = rest.slice(0, hash);
    }
    const query = rest.indexOf('?');
    if (query >= 0) {
      result.search = rest.slice(query);
      result.query = parseQuery ? querystring().parse(rest.slice(query + 1)) : rest.slice(query + 1);
      rest = rest.slice(0, query);
    } else if (parseQuery) {
      result.search = null;
      result.query = Object.create(null) as object;
    }
    if (rest !== '') result.pathname = rest;
    else if (SLASHED.includes(name) && result.hostname !== null && result.hostname !== '') result.pathname = '/';
    if (result.pathname !== null || result.search !== null) result.path = (result.pathname ?? '') + (result.search ?? '');
    result.href = formatObject(result);
    return result;
  }

  function formatObject(given: Partial<Url>): string {
    let auth = given.auth ?? '';
    if (auth !== '') auth = `${encodeURIComponent(auth).replace(/%3A/gi, ':')}@`;
    let protocol = given.protocol ?? '';
    let pathname = given.pathname ?? '';
    let hash = given.hash ?? '';
    let host = '';
    if (given.host) host = auth + given.host;
    else if (given.hostname) {
      host = auth + (given.hostname.includes(':') && !given.hostname.startsWith('[') ? `[${given.hostname}]` : given.hostname);
      if (given.port) host += `:${given.port}`;
    }
    const query = typeof given.query === 'object' && given.query !== null ? querystring().stringify(given.query) : '';
    let search = given.search ?? (query === '' ? '' : `?${query}`);
    if (protocol !== '' && !protocol.endsWith(':')) protocol += ':';
    if (given.slashes || (SLASHED.includes(protocol.replace(/:$/, '')) && host !== '')) {
      if (given.slashes || host !== '') {
        if (pathname !== '' && !pathname.startsWith('/')) pathname = `/${pathname}`;
        host = `//${host}`;
      } else if (protocol === 'file:') host = '//';
    } else if (host !== '' && pathname !== '' && !pathname.startsWith('/')) pathname = `/${pathname}`;
    if (hash !== '' && !hash.startsWith('#')) hash = `#${hash}`;
    if (search !== '' && !search.startsWith('?')) search = `?${search}`;
    pathname = pathname.replace(/[?#]/g, encodeURIComponent);
    search = search.replace(/#/g, '%23');
    return protocol + host + pathname + search + hash;
  }

  function format(given: unknown, options?: { auth?: boolean; fragment?: boolean; search?: boolean; unicode?: boolean }): string {
    if (typeof given === 'string') return formatObject(parse(given));
    if (typeof given !== 'object' || given === null) throw invalidType('urlObject', ['object', 'string'], given);
    if (!(given instanceof URL)) return formatObject(given as Partial<Url>);
    const copy = new URL(given.href);
    if (options?.fragment === false) copy.hash = '';
    if (options?.search === false) copy.search = '';
    if (options?.auth === false) {
      copy.username = '';
      copy.password = '';
    }
    return options?.unicode === true ? copy.href.replace(copy.hostname, domainToUnicode(copy.hostname)) : copy.href;
  }

  /** As a link in a page is followed; both may be relative. */
  function resolve(from: string, to: string): string {
    const NOWHERE = 'belljar-nowhere:';
    const base = new URL(from, `${NOWHERE}//x/`);
    const found = new URL(to, base);
    if (found.protocol !== NOWHERE) return found.href;
    const path = found.pathname + found.search + found.hash;
    return from.startsWith('/') || to.startsWith('/') || from === '' ? path : path.slice(1);
  }

  function domainToUnicode(domain: string): string {
    const ascii = domainToASCII(domain);
    return ascii === '' ? '' : punycode().toUnicode(ascii);
  }
  function domainToASCII(domain: string): string {
    // The host of a URL here is ASCII already.
    const ascii = punycode().toASCII(`${domain}`.toLowerCase());
    return URL.parse(`http://${ascii}`)?.hostname ?? '';
  }

  function fileURLToPath(given: unknown): string {
    const parsed = typeof given === 'string' ? new URL(given) : given;
    if (!(parsed instanceof URL)) throw invalidType('path', ['string', 'URL'], given);
    if (parsed.protocol !== 'file:') throw codedError(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
    if (parsed.hostname !== '') throw codedError(TypeError, 'ERR_INVALID_FILE_URL_HOST', 'File URL host must be "localhost" or empty on linux');
    if (/%2f/i.test(parsed.pathname)) throw codedError(TypeError, 'ERR_INVALID_FILE_URL_PATH', 'File URL path must not include encoded / characters');
    return decodeURIComponent(parsed.pathname);
  }

  function pathToFileURL(path: unknown): URL {
    checkString(path, 'path');
    const made = new URL('file:///');
    const absolute = path.startsWith('/') ? path : `/${path}`;
    made.pathname = absolute.replace(/%/g, '%25').replace(/\\/g, '%5C').replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/\t/g, '%09').replace(/\?/g, '%3F').replace(/#/g, '%23');
    return made;
  }

  function urlToHttpOptions(given: URL): object {
    const { hostname, pathname, port, username, password, search } = given;
    const options: Record<string, unknown> = {
      protocol: given.protocol, hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname, hash: given.hash, search, pathname,
      path: `${pathname}${search}`, href: given.href,
    };
    if (port !== '') options['port'] = Number(port);
    if (username !== '' || password !== '') options['auth'] = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return options;
  }

  return {
    URL, URLSearchParams, Url, parse, resolve, format, domainToASCII, domainToUnicode, fileURLToPath, pathToFileURL, urlToHttpOptions,
    resolveObject: (from: string, to: string): Url => parse(resolve(from, to), false, true),
  };
});
