// FormData (XMLHttpRequest standard, 4): names with texts and files, in order.

import { push } from '../primordials.ts';
import { once } from '../lazy.ts';
import { finishInterface, usvString } from '../webidl.ts';
import { blobs } from './blob.ts';
import { pairIterator, type PairIterator } from './pair-iterator.ts';

export type FormValue = string | InstanceType<ReturnType<typeof blobs>['File']>;
export type FormEntry = readonly [name: string, value: FormValue];

/** Creates an entry (4, "create an entry"): a Blob becomes a File. */
function entry(name: unknown, value: unknown, filename: unknown): FormEntry {
  const key = usvString(name);
  const made = blobs.made();
  if (made === undefined || !made.isBlob(value)) {
    if (filename !== undefined) throw new TypeError('FormData: a file name goes with a Blob only');
    return [key, usvString(value)];
  }
  if (filename === undefined && made.isFile(value)) return [key, value];
  const { bytes, type } = made.stateOf(value);
  const text = filename !== undefined ? usvString(filename) : 'blob';
  return [key, made.newFile(bytes, text, type, made.isFile(value) ? value.lastModified : undefined)];
}

export const forms = once(() => {
  let entriesOf!: (form: FormData) => FormEntry[];
  let isForm!: (value: unknown) => value is FormData;
  const iterate = pairIterator('FormData Iterator');

  class FormData {
    #entries: FormEntry[] = [];
    static {
      entriesOf = (form) => form.#entries;
      isForm = (value): value is FormData => typeof value === 'object' && value !== null && #entries in value;
    }
    constructor(form?: unknown) { if (form !== undefined) throw new TypeError('FormData: there are no forms to read'); }
    append(name: unknown, value: unknown, filename?: unknown): void {
      if (arguments.length < 2) throw new TypeError('append: give a name and a value');
      push(this.#entries, entry(name, value, filename));
    }
    #without(name: string): FormEntry[] {
      const kept: FormEntry[] = [];
      for (let i = 0; i < this.#entries.length; i++) if ((this.#entries[i] as FormEntry)[0] !== name) push(kept, this.#entries[i] as FormEntry);
      return kept;
    }
    delete(name: unknown): void {
      if (arguments.length === 0) throw new TypeError('delete: give a name');
      this.#entries = this.#without(usvString(name));
    }
    get(name: unknown): FormValue | null { return this.getAll(name)[0] ?? null; }
    getAll(name: unknown): FormValue[] {
      const key = usvString(name);
      const found: FormValue[] = [];
      for (let i = 0; i < this.#entries.length; i++) {
        const [at, value] = this.#entries[i] as FormEntry;
        if (at === key) push(found, value);
      }
      return found;
    }
    has(name: unknown): boolean { return this.#without(usvString(name)).length < this.#entries.length; }
    set(name: unknown, value: unknown, filename?: unknown): void {
      if (arguments.length < 2) throw new TypeError('set: give a name and a value');
      const added = entry(name, value, filename);
      const kept: FormEntry[] = [];
      let placed = false;
      for (let i = 0; i < this.#entries.length; i++) {
        const old = this.#entries[i] as FormEntry;
        if (old[0] !== added[0]) push(kept, old);
        else if (!placed) {
          placed = true;
          push(kept, added);
        }
      }
      if (!placed) push(kept, added);
      this.#entries = kept;
    }
    forEach(callback: unknown, self?: unknown): void {
      if (typeof callback !== 'function') throw new TypeError('forEach: give a function');
      for (let i = 0; i < this.#entries.length; i++) {
        const [name, value] = this.#entries[i] as FormEntry;
        Reflect.apply(callback as (...args: unknown[]) => unknown, self, [value, name, this]);
      }
    }
    keys(): PairIterator { return iterate(() => entriesOf(this), 'key'); }
    values(): PairIterator { return iterate(() => entriesOf(this), 'value'); }
    entries(): PairIterator { return iterate(() => entriesOf(this), 'both'); }
    declare [Symbol.iterator]: () => PairIterator;
  }
  finishInterface(FormData, 'FormData');
  Object.defineProperty(FormData.prototype, Symbol.iterator, { value: FormData.prototype.entries, writable: true, configurable: true });

  function newForm(entries: readonly FormEntry[]): FormData {
    const form = new FormData();
    for (let i = 0; i < entries.length; i++) push(entriesOf(form), entries[i] as FormEntry);
    return form;
  }
  return { FormData, entriesOf, isForm, newForm };
});
