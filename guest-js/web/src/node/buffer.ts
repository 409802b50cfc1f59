// node:buffer: Buffer, a Uint8Array with Node's methods. Every Buffer has memory of its own that is zero at first: there is no pool
// that could show one part of a program the bytes of another.

import { once } from '../lazy.ts';
import { bytesSet, bytesSubarray, defineProperty, SavedUint8Array, setPrototypeOf } from '../primordials.ts';
import { atob, btoa } from '../web/base64.ts';
import { blobs } from '../web/blob.ts';
import { inspect } from '../web/inspect.ts';
import { bytesOf } from '../webidl.ts';
import { addNumbers } from './buffer-numbers.ts';
import { decode, encode, encodedLength, type Encoding, encodingOf } from './encodings.ts';
import { checkInteger, checkNumber, codedError, invalidType, invalidValue, outOfRange } from './errors.ts';

/** 2^53 - 1 in Node 22, 4 GiB in Node 20: here what a sandbox of 32 bits could hold at most. */
const MAX_LENGTH = 2 ** 32;
const MAX_STRING_LENGTH = 2 ** 30 - 1;
const INSPECT_BYTES = 50;

export interface NodeBuffer extends Uint8Array {
  toString(encoding?: unknown, start?: unknown, end?: unknown): string;
  readUIntBE(offset: number, byteLength: number): number;
}

export interface BufferClass {
  (...args: unknown[]): NodeBuffer;
  new (...args: unknown[]): NodeBuffer;
  prototype: NodeBuffer;
  from(value: unknown, encodingOrOffset?: unknown, length?: unknown): NodeBuffer;
  alloc(size: unknown, fill?: unknown, encoding?: unknown): NodeBuffer;
  isBuffer(value: unknown): value is NodeBuffer;
}

function wantedEncoding(name: unknown): Encoding {
  const encoding = encodingOf(name);
  if (encoding === undefined) throw codedError(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name as string}`);
  return encoding;
}

function checkSize(size: unknown): number {
  checkNumber(size, 'size');
  if (!(size >= 0 && size <= MAX_LENGTH)) throw outOfRange('size', `>= 0 && <= ${MAX_LENGTH}`, size);
  return size;
}

function bytesArgument(value: unknown, name: string): Uint8Array {
  if (!(value instanceof SavedUint8Array)) throw invalidType(name, ['Buffer', 'Uint8Array'], value);
  return value;
}

function compareBytes(a: Uint8Array, b: Uint8Array): -1 | 0 | 1 {
  const length = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number) ? -1 : 1;
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
}

/** Where a slice begins or ends: whole, relative to the end when negative. */
function position(value: unknown, length: number, fallback: number): number {
  if (value === undefined) return fallback;
  const at = Math.trunc(Number(value)) || 0;
  return at < 0 ? Math.max(length + at, 0) : Math.min(at, length);
}

/** Finds bytes in bytes; step 2 for UTF-16, whose characters begin at even places of the match. */
function find(bytes: Uint8Array, needle: Uint8Array, from: number, forward: boolean, step: number): number {
  const last = bytes.length - needle.length;
  for (let i = forward ? from : Math.min(from, last); forward ? i <= last : i >= 0; i += forward ? step : -step) {
    let n = 0;
    while (n < needle.length && bytes[i + n] === needle[n]) n++;
    if (n === needle.length) return i;
  }
  return -1;
}

export const buffers = once(() => {
  class FastBuffer extends SavedUint8Array {}
  const make = (source: ArrayBuffer | number, offset?: number, length?: number): NodeBuffer =>
    new (FastBuffer as unknown as new (...args: unknown[]) => NodeBuffer)(source, offset, length);
  /** A Buffer over the bytes themselves, for arrays nobody else holds. */
  const over = (bytes: Uint8Array): NodeBuffer => make(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);

  function fromArrayLike(list: ArrayLike<unknown>): NodeBuffer {
    const length = Number(list.length);
    if (!(length > 0)) return make(0);
    const buffer = make(length);
    for (let i = 0; i < length; i++) buffer[i] = list[i] as number;
    return buffer;
  }

  function fromObject(value: object): NodeBuffer | undefined {
    const { length, type, data } = value as { length?: unknown; type?: unknown; data?: unknown };
    if (length !== undefined || bytesOf((value as { buffer?: unknown }).buffer) !== undefined) {
      return typeof length === 'number' ? fromArrayLike(value as ArrayLike<unknown>) : make(0);
    }
    return type === 'Buffer' && Array.isArray(data) ? fromArrayLike(data) : undefined;
  }

  function isArrayBuffer(value: object): value is ArrayBuffer {
    return !ArrayBuffer.isView(value) && bytesOf(value) !== undefined;
  }

  function from(value: unknown, encodingOrOffset?: unknown, length?: unknown): NodeBuffer {
    if (typeof value === 'string') {
      const encoding = typeof encodingOrOffset === 'string' ? wantedEncoding(encodingOrOffset) : 'utf8';
      return over(encode(value, encoding));
    }
    if (typeof value === 'object' && value !== null) {
      if (isArrayBuffer(value)) {
        let offset = encodingOrOffset === undefined ? 0 : Number(encodingOrOffset);
        if (Number.isNaN(offset)) offset = 0;
        const most = value.byteLength - offset;
        if (most < 0) throw codedError(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', '"offset" is outside of buffer bounds');
        if (length === undefined) return make(value, offset);
        const wanted = Number(length);
        if (wanted > most) throw codedError(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', '"length" is outside of buffer bounds');
        return make(value, offset, wanted > 0 ? wanted : 0);
      }
      const primitive: unknown = (value as { valueOf?: () => unknown }).valueOf?.();
      if (primitive !== null && primitive !== undefined && primitive !== value && (typeof primitive === 'string' || typeof primitive === 'object')) {
        return from(primitive, encodingOrOffset, length);
      }
      const made = fromObject(value);
      if (made !== undefined) return made;
      const convert = (value as { [Symbol.toPrimitive]?: (hint: string) => unknown })[Symbol.toPrimitive];
      if (typeof convert === 'function') {
        const text = Reflect.apply(convert, value, ['string']);
        if (typeof text === 'string') return from(text, encodingOrOffset);
      }
    }
    throw invalidType('first argument', ['string', 'Buffer', 'ArrayBuffer', 'Array', 'an Array-like Object'], value);
  }

  function Buffer(value: unknown, encodingOrOffset?: unknown, length?: unknown): NodeBuffer {
    if (typeof value !== 'number') return from(value, encodingOrOffset, length);
    if (typeof encodingOrOffset === 'string') throw invalidType('string', 'string', value);
    return make(checkSize(value));
  }

  function fill(target: NodeBuffer, value: unknown, offset: unknown, end: unknown, encodingName: unknown): NodeBuffer {
    if (typeof offset === 'string') [encodingName, offset, end] = [offset, undefined, undefined];
    else if (typeof end === 'string') [encodingName, end] = [end, undefined];
    if (encodingName !== undefined && typeof encodingName !== 'string') throw invalidType('encoding', 'string', encodingName);
    if (offset !== undefined) checkInteger(offset, 'offset', 0, MAX_LENGTH);
    if (end !== undefined) checkInteger(end, 'end', 0, target.length);
    const start = (offset as number | undefined) ?? 0;
    const stop = (end as number | undefined) ?? target.length;
    if (start >= stop) return target;
    let pattern: Uint8Array;
    if (typeof value === 'string') {
      pattern = value === '' ? new SavedUint8Array(1) : encode(value, wantedEncoding(encodingName));
      if (pattern.length === 0) throw invalidValue('value', value);
    } else if (typeof value === 'object' && value !== null) {
      const bytes = bytesOf(value);
      if (bytes === undefined || bytes.length === 0) throw invalidValue('value', value);
      pattern = bytes;
    } else {
      SavedUint8Array.prototype.fill.call(target, Number(value) & 255, start, stop);
      return target;
    }
    for (let i = start; i < stop; i += pattern.length) {
      bytesSet(target, stop - i < pattern.length ? bytesSubarray(pattern, 0, stop - i) : pattern, i);
    }
    return target;
  }

  function indexIn(self: NodeBuffer, value: unknown, byteOffset: unknown, encodingName: unknown, forward: boolean): number {
    if (typeof byteOffset === 'string') [encodingName, byteOffset] = [byteOffset, undefined];
    let from = Number(byteOffset);
    if (byteOffset === undefined || Number.isNaN(from)) from = forward ? 0 : self.length;
    from = Math.trunc(from);
    if (from < 0) from += self.length;
    if (from < 0) {
      if (!forward) return -1;
      from = 0;
    }
    if (typeof value === 'number') {
      const byte = value & 255;
      return forward ? SavedUint8Array.prototype.indexOf.call(self, byte, from) : SavedUint8Array.prototype.lastIndexOf.call(self, byte, from);
    }
    let needle: Uint8Array;
    let step = 1;
    if (typeof value === 'string') {
      const encoding = wantedEncoding(encodingName);
      needle = encode(value, encoding);
      if (encoding === 'utf16le') step = 2;
    } else if (value instanceof SavedUint8Array) {
      needle = value;
      if (encodingOf(encodingName) === 'utf16le') step = 2;
    } else throw invalidType('value', ['number', 'string', 'Buffer', 'Uint8Array'], value);
    if (needle.length === 0) return Math.min(from, self.length);
    return find(self, needle, from, forward, step);
  }

  function swap(self: NodeBuffer, width: number): NodeBuffer {
    if (self.length % width !== 0) throw codedError(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${width * 8}-bits`);
    for (let i = 0; i < self.length; i += width) {
      for (let n = 0; n < width / 2; n++) {
        const byte = self[i + n] as number;
        self[i + n] = self[i + width - 1 - n] as number;
        self[i + width - 1 - n] = byte;
      }
    }
    return self;
  }

  function write(self: NodeBuffer, text: string, offset: number, length: number, encoding: Encoding): number {
    const room = Math.min(length, self.length - offset);
    let bytes = encode(text, encoding);
    if (bytes.length > room) {
      let end = room;
      // No character is written in part.
      if (encoding === 'utf8') while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--;
      else if (encoding === 'utf16le') end &= ~1;
      bytes = bytesSubarray(bytes, 0, end);
    }
    bytesSet(self, bytes, offset);
    return bytes.length;
  }

  const methods = {
    toString(this: NodeBuffer, encoding?: unknown, start?: unknown, end?: unknown): string {
      const { length } = this;
      if (arguments.length === 0) return decode(this, 'utf8');
      // Unlike a slice, places before the beginning are the beginning.
      const from = start === undefined ? 0 : Math.max(Math.trunc(Number(start)) || 0, 0);
      const to = end === undefined ? length : Math.min(Math.trunc(Number(end)) || 0, length);
      if (from >= to) return '';
      return decode(from === 0 && to === length ? this : bytesSubarray(this, from, to), wantedEncoding(encoding));
    },
    toJSON(this: NodeBuffer): { type: 'Buffer'; data: number[] } { return { type: 'Buffer', data: Array.from(this) }; },
    equals(this: NodeBuffer, other: unknown): boolean {
      const bytes = bytesArgument(other, 'otherBuffer');
      return this === bytes || (this.length === bytes.length && compareBytes(this, bytes) === 0);
    },
    compare(this: NodeBuffer, target: unknown, targetStart: unknown = 0, targetEnd?: unknown, sourceStart: unknown = 0, sourceEnd?: unknown): -1 | 0 | 1 {
      const other = bytesArgument(target, 'target');
      const range = (start: unknown, end: unknown, names: [string, string], length: number): [number, number] => {
        checkInteger(start, names[0], 0, MAX_LENGTH);
        if (end !== undefined) checkInteger(end, names[1], 0, length);
        return [start, (end as number | undefined) ?? length];
      };
      const [targetFrom, targetTo] = range(targetStart, targetEnd, ['targetStart', 'targetEnd'], other.length);
      const [sourceFrom, sourceTo] = range(sourceStart, sourceEnd, ['sourceStart', 'sourceEnd'], this.length);
      if (sourceFrom >= sourceTo) return targetFrom >= targetTo ? 0 : -1;
      if (targetFrom >= targetTo) return 1;
      return compareBytes(bytesSubarray(this, sourceFrom, sourceTo), bytesSubarray(other, targetFrom, targetTo));
    },
    indexOf(this: NodeBuffer, value: unknown, byteOffset?: unknown, encoding?: unknown): number { return indexIn(this, value, byteOffset, encoding, true); },
    lastIndexOf(this: NodeBuffer, value: unknown, byteOffset?: unknown, encoding?: unknown): number { return indexIn(this, value, byteOffset, encoding, false); },
    includes(this: NodeBuffer, value: unknown, byteOffset?: unknown, encoding?: unknown): boolean { return indexIn(this, value, byteOffset, encoding, true) >= 0; },
    fill(this: NodeBuffer, value: unknown, offset?: unknown, end?: unknown, encoding?: unknown): NodeBuffer { return fill(this, value, offset, end, encoding); },
    copy(this: NodeBuffer, target: unknown, targetStart?: unknown, sourceStart?: unknown, sourceEnd?: unknown): number {
      const into = bytesArgument(target, 'target');
      const whole = (value: unknown, name: string, fallback: number, most: number): number => {
        if (value === undefined) return fallback;
        const number = Math.trunc(Number(value)) || 0;
        if (number < 0 || number > most) throw outOfRange(name, most === Infinity ? '>= 0' : `>= 0 && <= ${most}`, number);
        return number;
      };
      const at = whole(targetStart, 'targetStart', 0, Infinity);
      const start = whole(sourceStart, 'sourceStart', 0, this.length);
      const end = Math.min(whole(sourceEnd, 'sourceEnd', this.length, Infinity), this.length);
      if (at >= into.length || start >= end) return 0;
      const count = Math.min(end - start, into.length - at);
      bytesSet(into, bytesSubarray(this, start, start + count), at);
      return count;
    },
    subarray(this: NodeBuffer, start?: unknown, end?: unknown): NodeBuffer {
      const from = position(start, this.length, 0);
      const to = position(end, this.length, this.length);
      return make(this.buffer as ArrayBuffer, this.byteOffset + from, to > from ? to - from : 0);
    },
    write(this: NodeBuffer, text: unknown, offset?: unknown, length?: unknown, encoding?: unknown): number {
      if (typeof offset === 'string') [encoding, offset, length] = [offset, undefined, undefined];
      else if (typeof length === 'string') [encoding, length] = [length, undefined];
      if (typeof text !== 'string') throw codedError(TypeError, 'ERR_INVALID_ARG_TYPE', 'argument must be a string');
      if (offset !== undefined) checkInteger(offset, 'offset', 0, this.length);
      const at = (offset as number | undefined) ?? 0;
      if (length !== undefined) checkInteger(length, 'length', 0, this.length - at);
      return write(this, text, at, (length as number | undefined) ?? this.length - at, wantedEncoding(encoding));
    },
    swap16(this: NodeBuffer): NodeBuffer { return swap(this, 2); },
    swap32(this: NodeBuffer): NodeBuffer { return swap(this, 4); },
    swap64(this: NodeBuffer): NodeBuffer { return swap(this, 8); },
    [Symbol.for('nodejs.util.inspect.custom')](this: NodeBuffer): string {
      let text = '';
      for (let i = 0; i < this.length && i < INSPECT_BYTES; i++) text += ` ${(this[i] as number).toString(16).padStart(2, '0')}`;
      const more = this.length - INSPECT_BYTES;
      if (more > 0) text += ` ... ${more} more byte${more > 1 ? 's' : ''}`;
      for (const key of Object.keys(this)) if (!/^\d+$/.test(key)) text += `, ${key}: ${inspect((this as never)[key])}`;
      return `<${this.constructor.name}${text}>`;
    },
  };

  const statics = {
    from,
    alloc(size: unknown, value?: unknown, encoding?: unknown): NodeBuffer {
      const buffer = make(checkSize(size));
      return value !== undefined && value !== 0 && buffer.length > 0 ? fill(buffer, value, undefined, undefined, encoding) : buffer;
    },
    allocUnsafe: (size: unknown): NodeBuffer => make(checkSize(size)),
    allocUnsafeSlow: (size: unknown): NodeBuffer => make(checkSize(size)),
    of: (...items: unknown[]): NodeBuffer => fromArrayLike(items),
    copyBytesFrom(view: unknown, offset?: unknown, length?: unknown): NodeBuffer {
      if (!ArrayBuffer.isView(view) || view instanceof DataView) throw invalidType('view', ['TypedArray'], view);
      const typed = view as Uint8Array;
      const from_ = offset === undefined ? 0 : (checkInteger(offset, 'offset', 0), offset as number);
      const to = length === undefined ? typed.length : from_ + (checkInteger(length, 'length', 0), length as number);
      return from(bytesOf(typed.slice(from_, to)));
    },
    isBuffer: (value: unknown): boolean => value instanceof Buffer,
    isEncoding: (name: unknown): boolean => typeof name === 'string' && name !== '' && encodingOf(name) !== undefined,
    byteLength(value: unknown, encoding?: unknown): number {
      if (typeof value === 'string') return encodedLength(value, encodingOf(encoding) ?? 'utf8');
      const bytes = bytesOf(value);
      if (bytes === undefined) throw invalidType('string', ['string', 'Buffer', 'ArrayBuffer'], value);
      return bytes.length;
    },
    compare: (a: unknown, b: unknown): number => compareBytes(bytesArgument(a, 'buf1'), bytesArgument(b, 'buf2')),
    concat(list: unknown, total?: unknown): NodeBuffer {
      if (!Array.isArray(list)) throw invalidType('list', ['Array'], list);
      let length = 0;
      for (let i = 0; i < list.length; i++) length += bytesArgument(list[i], `list[${i}]`).length;
      if (total !== undefined) {
        checkInteger(total, 'length', 0);
        length = total as number;
      }
      const buffer = make(length);
      let at = 0;
      for (const part of list as Uint8Array[]) {
        if (at + part.length > length) {
          bytesSet(buffer, bytesSubarray(part, 0, length - at), at);
          break;
        }
        bytesSet(buffer, part, at);
        at += part.length;
      }
      return buffer;
    },
    poolSize: 8192,
  };

  const { prototype } = FastBuffer;
  defineProperty(prototype, 'constructor', { value: Buffer, writable: true, configurable: true, enumerable: false });
  Buffer.prototype = prototype;
  setPrototypeOf(Buffer, SavedUint8Array);
  for (const name of Reflect.ownKeys(methods)) {
    defineProperty(prototype, name, { value: methods[name as 'copy'], writable: true, configurable: true, enumerable: true });
  }
  const alias = (name: string, value: unknown): void => void defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: true });
  alias('toLocaleString', methods.toString);
  alias('slice', methods.subarray);
  alias('inspect', (methods as Record<symbol, unknown>)[Symbol.for('nodejs.util.inspect.custom')]);
  for (const encoding of ['utf8', 'utf16le', 'ucs2', 'latin1', 'ascii', 'hex', 'base64', 'base64url']) {
    const kind = encodingOf(encoding) as Encoding;
    alias(`${encoding}Slice`, function (this: NodeBuffer, start?: number, end?: number): string { return decode(bytesSubarray(this, start, end), kind); });
    alias(`${encoding}Write`, function (this: NodeBuffer, text: string, offset = 0, length = this.length - offset): number {
      return write(this, text, offset, length, kind);
    });
  }
  defineProperty(prototype, 'parent', { get(this: NodeBuffer) { return this instanceof Buffer ? this.buffer : undefined; }, enumerable: true, configurable: true });
  defineProperty(prototype, 'offset', { get(this: NodeBuffer) { return this instanceof Buffer ? this.byteOffset : undefined; }, enumerable: true, configurable: true });
  addNumbers(prototype);
  for (const name of Object.keys(statics)) {
    defineProperty(Buffer, name, { value: statics[name as 'from'], writable: true, configurable: true, enumerable: true });
  }

  const constants = { MAX_LENGTH, MAX_STRING_LENGTH };
  const { Blob, File } = blobs() as unknown as Record<string, unknown>;
  return {
    Buffer: Buffer as unknown as BufferClass, SlowBuffer: (size: unknown): NodeBuffer => make(checkSize(size)), Blob, File, atob, btoa, constants,
    kMaxLength: MAX_LENGTH, kStringMaxLength: MAX_STRING_LENGTH, INSPECT_MAX_BYTES: INSPECT_BYTES,
    isUtf8: (input: unknown): boolean => {
      const bytes = bytesOf(input);
      if (bytes === undefined) throw invalidType('input', ['ArrayBuffer', 'Buffer', 'TypedArray'], input);
      return compareBytes(encode(decode(bytes, 'utf8'), 'utf8'), bytes) === 0;
    },
    isAscii: (input: unknown): boolean => {
      const bytes = bytesOf(input);
      if (bytes === undefined) throw invalidType('input', ['ArrayBuffer', 'Buffer', 'TypedArray'], input);
      for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 127) return false;
      return true;
    },
    transcode: (source: unknown, fromEncoding: unknown, toEncoding: unknown): NodeBuffer =>
      over(encode(decode(bytesArgument(source, 'source'), wantedEncoding(fromEncoding)), wantedEncoding(toEncoding))),
  };
});

/** A Buffer over bytes that nobody else holds. */
export function bufferOver(bytes: Uint8Array): NodeBuffer { return buffers().Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length); }
