// node:querystring: parse and stringify, with Node's rules (a key that occurs again makes a list).

import { once } from '../lazy.ts';
import { codedError } from './errors.ts';
import { buffers, type NodeBuffer } from './buffer.ts';

const UNESCAPED = /[^A-Za-z0-9\-_.!~*'()]/;

export const querystring = once(() => {
  function escape(value: unknown): string {
    const text = typeof value === 'string' ? value : typeof value === 'object' ? String(value) : `${value as string}`;
    if (!UNESCAPED.test(text)) return text;
    try {
      return encodeURIComponent(text);
    } catch {
      throw codedError(URIError, 'ERR_INVALID_URI', 'URI malformed');
    }
  }

  function unescapeBuffer(text: string): NodeBuffer {
    const bytes: number[] = [];
    for (let i = 0; i < text.length; i++) {
      const pair = text[i] === '%' ? /^[0-9A-Fa-f]{2}$/.exec(text.slice(i + 1, i + 3)) : null;
      if (pair === null) bytes.push(text.charCodeAt(i));
      else {
        bytes.push(parseInt(pair[0], 16));
        i += 2;
      }
    }
    return buffers().Buffer.from(bytes);
  }

  function unescape(text: string): string {
    try {
      return decodeURIComponent(text);
    } catch {
      return unescapeBuffer(text).toString();
    }
  }

  function primitive(value: unknown): string {
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return Number.isFinite(value) ? `${value}` : '';
    return typeof value === 'bigint' || typeof value === 'boolean' ? `${value}` : '';
  }

  function stringify(object: unknown, separator?: unknown, equals?: unknown, options?: { encodeURIComponent?: (text: string) => string }): string {
    const [between, is] = [(separator as string) || '&', (equals as string) || '='];
    const encode = typeof options?.encodeURIComponent === 'function' ? options.encodeURIComponent : module.escape;
    if (typeof object !== 'object' || object === null) return '';
    const pairs: string[] = [];
    for (const key of Object.keys(object)) {
      const value = (object as Record<string, unknown>)[key];
      const start = encode(key) + is;
      if (Array.isArray(value)) for (const item of value) pairs.push(start + encode(primitive(item)));
      else pairs.push(start + encode(primitive(value)));
    }
    return pairs.join(between);
  }

  function parse(text: unknown, separator?: unknown, equals?: unknown, options?: { maxKeys?: number; decodeURIComponent?: (text: string) => string }): object {
    const result = Object.create(null) as Record<string, unknown>;
    if (typeof text !== 'string' || text === '') return result;
    const [between, is] = [`${(separator as string) || '&'}`, `${(equals as string) || '='}`];
    const most = typeof options?.maxKeys === 'number' ? options.maxKeys : 1000;
    const decodeWith = typeof options?.decodeURIComponent === 'function' ? options.decodeURIComponent : module.unescape;
    const decode = (part: string): string => {
      const spaced = part.replace(/\+/g, ' ');
      if (!spaced.includes('%')) return spaced;
      try {
        return decodeWith(spaced);
      } catch {
        return unescape(spaced);
      }
    };
    let count = 0;
    for (const pair of text.split(between)) {
      if (pair === '') continue;
      if (most > 0 && count++ >= most) break;
      const at = pair.indexOf(is);
      const key = decode(at < 0 ? pair : pair.slice(0, at));
      const value = at < 0 ? '' : decode(pair.slice(at + is.length));
      const found = result[key];
      if (found === undefined && !(key in result)) result[key] = value;
      else if (Array.isArray(found)) found.push(value);
      else result[key] = [found, value];
    }
    return result;
  }

  const module = { unescapeBuffer, unescape, escape, stringify, encode: stringify, parse, decode: parse };
  return module;
});
