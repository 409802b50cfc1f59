// Blob, File and FormData (File API, XMLHttpRequest).

type BlobPart = string | ArrayBuffer | ArrayBufferView | Blob;
interface BlobPropertyBag {
  type?: string;
  endings?: 'transparent' | 'native';
}
interface Blob {
  readonly size: number;
  readonly type: string;
  slice(start?: number, end?: number, type?: string): Blob;
  stream(): ReadableStream<Uint8Array>;
  text(): Promise<string>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
}
declare var Blob: { prototype: Blob; new (parts?: Iterable<BlobPart>, options?: BlobPropertyBag): Blob };

interface File extends Blob {
  readonly name: string;
  /** Unix time in milliseconds. */
  readonly lastModified: number;
  readonly webkitRelativePath: string;
}
declare var File: { prototype: File; new (parts: Iterable<BlobPart>, name: string, options?: BlobPropertyBag & { lastModified?: number }): File };

type FormDataEntryValue = string | File;
interface FormData extends Iterable<[string, FormDataEntryValue]> {
  append(name: string, value: string): void;
  append(name: string, value: Blob, filename?: string): void;
  delete(name: string): void;
  get(name: string): FormDataEntryValue | null;
  getAll(name: string): FormDataEntryValue[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  set(name: string, value: Blob, filename?: string): void;
  forEach(callback: (value: FormDataEntryValue, name: string, form: FormData) => void, self?: unknown): void;
  keys(): IterableIterator<string>;
  values(): IterableIterator<FormDataEntryValue>;
  entries(): IterableIterator<[string, FormDataEntryValue]>;
}
declare var FormData: { prototype: FormData; new (): FormData };
