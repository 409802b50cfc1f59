// Blob and File (File API, 3 and 4): immutable bytes with a type. A slice shares the bytes of what it was cut from.

import { native } from '../native.ts';
import { bytesSet, bytesSlice, bytesSubarray, floor, matches, promiseReject, promiseResolve, push, SavedUint8Array, toLowerCase } from '../primordials.ts';
import { once, sequence } from '../lazy.ts';
import { sources } from '../streams/sources.ts';
import { bytesOf, dictionary, domString, finishInterface, usvString } from '../webidl.ts';
import { registerCopy } from './structured-clone.ts';

export interface BlobState { readonly bytes: Uint8Array; readonly type: string }

const NOT_PRINTABLE = /[^\x20-\x7e]/;

function typeOf(value: unknown): string {
  if (value === undefined) return '';
  const text = domString(value);
  return matches(NOT_PRINTABLE, text) ? '' : toLowerCase(text);
}

/** Web IDL's `[Clamp] long long`, relative to a size when negative. */
function position(value: unknown, size: number, fallback: number): number {
  if (value === undefined) return fallback;
  const number = Number(value as number);
  const at = number !== number ? 0 : number < 0 ? -floor(-number) : floor(number);
  return at < 0 ? (size + at > 0 ? size + at : 0) : at < size ? at : size;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (let i = 0; i < chunks.length; i++) length += (chunks[i] as Uint8Array).length;
  const bytes = new SavedUint8Array(length);
  let at = 0;
  for (let i = 0; i < chunks.length; i++) {
    bytesSet(bytes, chunks[i] as Uint8Array, at);
    at += (chunks[i] as Uint8Array).length;
  }
  return bytes;
}
export { joined as joinBytes };

export const blobs = once(() => {
  const FROM_STATE = Symbol('state');
  let stateOf!: (blob: Blob) => BlobState;
  let isBlob!: (value: unknown) => value is Blob;
  let isFile!: (value: unknown) => value is File;

  function build(parts: unknown, init: unknown): BlobState {
    // Bytes are looked at when all has been converted: a later part may change what an earlier one holds.
    const list = parts === undefined ? [] : sequence(parts, 'Blob: the parts', (part) => (isBlob(part) || bytesOf(part) !== undefined ? part : usvString(part)));
    const options = dictionary(init, 'Blob');
    const endings = options['endings'] === undefined ? 'transparent' : domString(options['endings']);
    if (endings !== 'transparent' && endings !== 'native') throw new TypeError(`Blob: endings is "transparent" or "native", not "${endings}"`);
    const type = typeOf(options['type']);
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < list.length; i++) {
      const part = list[i];
      if (isBlob(part)) push(chunks, stateOf(part).bytes);
      else {
        push(chunks, typeof part !== 'string' ? (bytesOf(part) as Uint8Array) : native.utf8Encode(endings === 'native' ? part.replace(/\r\n?/g, '\n') : part));
      }
    }
    return { bytes: joined(chunks), type };
  }

  class Blob {
    readonly #state: BlobState;
    static {
      stateOf = (blob) => blob.#state;
      isBlob = (value): value is Blob => typeof value === 'object' && value !== null && #state in value;
    }
    constructor(parts?: unknown, options?: unknown) { this.#state = parts === FROM_STATE ? (options as BlobState) : build(parts, options); }
    get size(): number { return this.#state.bytes.length; }
    get type(): string { return this.#state.type; }
    slice(start?: unknown, end?: unknown, type?: unknown): Blob {
      const { bytes } = this.#state;
      const from = position(start, bytes.length, 0);
      const to = position(end, bytes.length, bytes.length);
      return newBlob(bytesSubarray(bytes, from, to > from ? to : from), typeOf(type));
    }
    stream(): object {
      const { bytes } = this.#state;
      return sources().streamOfBytes(() => bytes).object;
    }
    text(): Promise<string> { return later(() => native.utf8Decode(stateOf(this).bytes, false, false)); }
    arrayBuffer(): Promise<ArrayBuffer> { return later(() => bytesSlice(stateOf(this).bytes).buffer); }
    bytes(): Promise<Uint8Array> { return later(() => bytesSlice(stateOf(this).bytes)); }
  }
  finishInterface(Blob, 'Blob', ':0 slice:0');

  class File extends Blob {
    readonly #name: string;
    readonly #lastModified: number;
    static { isFile = (value): value is File => typeof value === 'object' && value !== null && #name in value; }
    constructor(parts: unknown, name: unknown, options?: unknown) {
      if (arguments.length < 2) throw new TypeError('File: give the parts and a name');
      if (parts === undefined) throw new TypeError('File: the parts must be an iterable object');
      super(parts, options);
      this.#name = usvString(name);
      const at = dictionary(options, 'File')['lastModified'];
      this.#lastModified = at === undefined ? floor(native.nowUs() / 1000) : Math.trunc(Number(at)) || 0;
    }
    get name(): string { return this.#name; }
    get lastModified(): number { return this.#lastModified; }
    get webkitRelativePath(): string { return ''; }
  }
  finishInterface(File, 'File', ':2');

  function newBlob(bytes: Uint8Array, type: string): Blob { return new Blob(FROM_STATE, { bytes, type }); }
  function newFile(bytes: Uint8Array, name: string, type: string, lastModified?: number): File {
    return new File([newBlob(bytes, type)], name, { type, lastModified });
  }

  registerCopy((value) => {
    if (!isBlob(value)) return undefined;
    const { bytes, type } = stateOf(value);
    return isFile(value) ? newFile(bytes, value.name, type, value.lastModified) : newBlob(bytes, type);
  });
  return { Blob, File, isBlob, isFile, stateOf, newBlob, newFile };
});

function later<T>(read: () => T): Promise<Awaited<T>> {
  try {
    return promiseResolve(read());
  } catch (error) {
    return promiseReject(error);
  }
}

/** The bytes and type of a Blob; undefined for anything else. */
export function blobState(value: unknown): BlobState | undefined {
  const made = blobs.made();
  return made !== undefined && made.isBlob(value) ? made.stateOf(value) : undefined;
}
