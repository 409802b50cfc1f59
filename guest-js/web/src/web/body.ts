// Bodies of requests and responses: whole (text kept as text until bytes are asked for), or read in pieces. Read once, as the standard
// says. A ReadableStream is made of a body only when `body` is read or a clone needs it.

import { native } from '../native.ts';
import { bytesSlice, jsonParse, promiseReject, promiseResolve, promiseThen } from '../primordials.ts';
import { copyOf, usvString } from '../webidl.ts';
import { isSearchParams, parseForm as parsePairs } from '../url/search-params.ts';
import { sources, streamState } from '../streams/sources.ts';
import type { ReadableState } from '../streams/states.ts';
import { tees } from '../streams/tee.ts';
import { blobs, blobState } from './blob.ts';
import { type ChunkSource, iterableSource, readAll, tee } from './body-stream.ts';
import { forms } from './form-data.ts';
import { valueIn } from './headers.ts';
import { extractMimeType, type MimeType, serializeMimeType } from './mime-type.ts';
import { parseForm, serializeForm } from './multipart.ts';
import { cloneWithTransfer } from './structured-clone.ts';

/** Of `source` and `stream` one at most; of neither and no `readable` when there is no body at all. */
export interface Body {
  source: string | Uint8Array | undefined;
  stream?: ChunkSource | undefined;
  /** What `body` gives: over `source` or `stream`, or the applet's own when there is neither. */
  readable?: ReadableState | undefined;
  used: boolean;
}

/** Whether there is a body, be it an empty one. */
export function hasBody(body: Body): boolean { return body.source !== undefined || body.stream !== undefined || body.readable !== undefined; }

/** `bodyUsed`. */
export function isUsed(body: Body): boolean { return body.used || body.readable?.disturbed === true; }

/** Used, or locked to a reader: nobody else can read it. */
export function isUnusable(body: Body): boolean { return isUsed(body) || body.readable?.reader !== undefined; }

/** Whether it is read in pieces. */
export function isStreamed(body: Body): boolean { return body.source === undefined && hasBody(body); }

/** The attribute `body`. */
export function readableOf(body: Body): object | null {
  if (!hasBody(body)) return null;
  if (body.readable === undefined) {
    const { streamOfBytes, streamOfSource, abandonStream } = sources();
    body.readable = body.stream === undefined ? streamOfBytes(() => bodyBytes(body) as Uint8Array) : streamOfSource(body.stream);
    if (body.used) abandonStream(body.readable);
  }
  return body.readable.object;
}

/** Marks the body as used; gives its content without its stream. Whoever holds that stream sees it locked and disturbed. */
function taken(body: Body): Body {
  const { source, stream, readable } = body;
  body.used = hasBody(body);
  if (readable === undefined) return { source, stream, used: false };
  if (source === undefined && stream === undefined) return { source, stream: sources().sourceOfStream(readable), used: false };
  sources().abandonStream(readable);
  return { source, stream, used: false };
}

/** What a body that is read in pieces gives; it is used then. */
export function sourceOf(body: Body): ChunkSource | undefined { return isStreamed(body) ? taken(body).stream : undefined; }

export function noBody(): Body { return { source: undefined, used: false }; }

/** The body of an init value and the content type it implies. */
export function extract(value: unknown): { body: Body; type: string | undefined } {
  if (value === undefined || value === null) return { body: noBody(), type: undefined };
  if (typeof value === 'string') return { body: { source: usvString(value), used: false }, type: 'text/plain;charset=UTF-8' };
  if (isSearchParams(value)) return { body: { source: `${value}`, used: false }, type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  const readable = streamState(value);
  if (readable !== undefined) {
    if (readable.disturbed || readable.reader !== undefined) throw new TypeError('the stream cannot be a body: it is locked, or has been read from');
    return { body: { source: undefined, readable, used: false }, type: undefined };
  }
  const blob = blobState(value);
  if (blob !== undefined) return { body: { source: blob.bytes, used: false }, type: blob.type === '' ? undefined : blob.type };
  if (forms.made()?.isForm(value) === true) {
    const { bytes, boundary } = serializeForm(forms().entriesOf(value as never));
    return { body: { source: bytes, used: false }, type: `multipart/form-data; boundary=${boundary}` };
  }
  const bytes = copyOf(value);
  if (bytes !== undefined) return { body: { source: bytes, used: false }, type: undefined };
  const stream = iterableSource(value);
  if (stream !== undefined) return { body: { source: undefined, stream, used: false }, type: undefined };
  return { body: { source: usvString(value), used: false }, type: 'text/plain;charset=UTF-8' };
}

/** The bytes for the host; not copied. */
export function bodyBytes(body: Body): Uint8Array | undefined {
  const { source } = body;
  return typeof source === 'string' ? native.utf8Encode(source) : source;
}

function bodyText(body: Body): string {
  const { source } = body;
  if (source === undefined) return '';
  // Text that was given as text loses the byte order mark that decoding would strip.
  if (typeof source === 'string') return source.charCodeAt(0) === 0xfeff ? source.slice(1) : source;
  return native.utf8Decode(source, false, false);
}

function ownBytes(body: Body): Uint8Array<ArrayBuffer> {
  const { source } = body;
  if (source === undefined) return new Uint8Array(0);
  // A copy: the body may have been shared with a clone, and the caller may change what it gets.
  return typeof source === 'string' ? (native.utf8Encode(source) as Uint8Array<ArrayBuffer>) : bytesSlice(source);
}

/** Reads the body with `read`, once; errors become rejections. */
function consume<T>(body: Body, read: (body: Body) => T): Promise<Awaited<T>> {
  if (isUnusable(body)) return promiseReject(new TypeError('the body has already been read, or is locked to a reader'));
  const content = body.readable === undefined ? body : taken(body);
  if (hasBody(body)) body.used = true;
  const { stream } = content;
  if (stream !== undefined) return promiseThen(readAll(stream), (bytes) => read({ source: bytes, used: false })) as Promise<Awaited<T>>;
  let value: T;
  try {
    value = read(content);
  } catch (error) {
    return promiseReject(error);
  }
  return promiseResolve(value);
}

export function readText(body: Body): Promise<string> { return consume(body, bodyText); }
export function readJson(body: Body): Promise<unknown> { return consume<unknown>(body, (from) => jsonParse(bodyText(from))); }
export function readBytes(body: Body): Promise<Uint8Array> { return consume(body, ownBytes); }
export function readBuffer(body: Body): Promise<ArrayBuffer> { return consume(body, (from) => ownBytes(from).buffer); }

export type BlobObject = InstanceType<ReturnType<typeof blobs>['Blob']>;
export type FormObject = InstanceType<ReturnType<typeof forms>['FormData']>;

function contentType(list: readonly string[]): MimeType | undefined {
  const value = valueIn(list, 'content-type');
  return value === null ? undefined : extractMimeType(value);
}

/** The type of a Blob of a body: its content type, serialised again. */
function blobType(list: readonly string[]): string {
  const type = contentType(list);
  return type === undefined ? '' : serializeMimeType(type);
}

export function readBlob(body: Body, list: readonly string[]): Promise<BlobObject> {
  return consume(body, (from) => blobs().newBlob(ownBytes(from), blobType(list)));
}

function formOf(body: Body, list: readonly string[]): FormObject {
  const type = contentType(list);
  if (type?.essence === 'multipart/form-data') {
    const boundary = type.parameters['boundary'];
    if (boundary === undefined) throw new TypeError('formData: the content type has no boundary');
    return forms().newForm(parseForm(ownBytes(body), boundary));
  }
  if (type?.essence !== 'application/x-www-form-urlencoded') throw new TypeError('formData: the content type is not that of a form');
  const { source } = body;
  // A byte order mark belongs to the first name.
  return forms().newForm(parsePairs(typeof source === 'string' ? source : native.utf8Decode(ownBytes(body), false, true)));
}

export function readForm(body: Body, list: readonly string[]): Promise<FormObject> { return consume(body, (from) => formOf(from, list)); }

/** Both share the bytes, which are never changed; what comes in pieces is given to both. */
export function cloneBody(body: Body): Body {
  if (isUnusable(body)) throw new TypeError('a body that has been read or is locked cannot be cloned');
  const { source, stream, readable } = body;
  if (source !== undefined || !hasBody(body)) return { source, used: false };
  if (readable !== undefined) {
    const [one, two] = tees().teeSlots(readable, (chunk) => cloneWithTransfer(chunk, undefined).value);
    body.stream = undefined;
    body.readable = one;
    return { source: undefined, readable: two, used: false };
  }
  const [own, other] = tee(stream as ChunkSource);
  body.stream = own;
  return { source: undefined, stream: other, used: false };
}

/** The body for a request made of another one, which has none left then. */
export function takeBody(body: Body): Body {
  if (isUnusable(body)) throw new TypeError('a body that has been read or is locked cannot be sent');
  return taken(body);
}
