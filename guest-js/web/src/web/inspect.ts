// Values as text for people, in the manner of Node's util.inspect: depth and length limits, cycles, classes, errors with their
// stack and causes. Calls no getter; never throws.

import {
  apply, arrayIndexOf, arrayJoin, bigintToString, bufferByteLength, charCodeAt, floor, getOwnPropertyDescriptor, getPrototypeOf, indexOf, isArray, isView, mapForEach,
  mapSize, matches, min, numberToString, ownKeys, padStart, push, repeat, setForEach, setSize, slice, split, startsWith, symbolToString, typedArrayLength,
  typedArrayTag, uncurryThis,
} from '../primordials.ts';
import { bytesOf } from '../webidl.ts';

/** Objects within objects that are shown. */
const DEPTH = 2;
const ARRAY_ITEMS_MAX = 100;
/** Characters of a string inside an object. */
const STRING_CHARS_MAX = 10_000;
/** Characters of the whole text, roughly: what is beyond is left out with a note. */
const TOTAL_CHARS_MAX = 131_072;
const LINE_CHARS = 80;
const LEVELS_ON_A_LINE = 3;
/** Lists longer than this are laid out in columns when their entries are short. */
const COLUMNS_FROM = 6;
const COLUMNS_MAX = 16;
const COLUMN_CHARS = 20;
const DEPTH_CEILING = 50;

const CUSTOM = Symbol.for('nodejs.util.inspect.custom');
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
const dateTime = uncurryThis(Date.prototype.getTime);
const dateText = uncurryThis(Date.prototype.toISOString);
const regexpText = uncurryThis(RegExp.prototype.toString);
const functionText = uncurryThis(Function.prototype.toString);
const boxes: [new (...args: never) => object, string, (value: never) => unknown][] = [
  [Number, 'Number', uncurryThis(Number.prototype.valueOf)],
  [String, 'String', uncurryThis(String.prototype.valueOf)],
  [Boolean, 'Boolean', uncurryThis(Boolean.prototype.valueOf)],
  [BigInt as never, 'BigInt', uncurryThis(BigInt.prototype.valueOf)],
  [Symbol as never, 'Symbol', uncurryThis(Symbol.prototype.valueOf)],
];
const SavedError = Error;

interface Context {
  readonly depth: number;
  readonly parents: object[];
  /** Objects met again below themselves, in the order they are numbered. */
  readonly circular: object[];
  /** The depth of the object formatted last, which decides what fits on one line (as in Node). */
  currentDepth: number;
  remaining: number;
}

/** The text of a value; strings are quoted. */
export function inspect(value: unknown, depth: number = DEPTH): string {
  const context: Context = { depth: depth > DEPTH_CEILING ? DEPTH_CEILING : depth, parents: [], circular: [], currentDepth: 0, remaining: TOTAL_CHARS_MAX };
  try {
    return format(context, value, 0);
  } catch {
    return '<a value that cannot be shown>';
  }
}

export function quote(text: string): string {
  const mark = indexOf(text, "'") < 0 ? "'" : indexOf(text, '"') < 0 ? '"' : indexOf(text, '`') < 0 && indexOf(text, '${') < 0 ? '`' : "'";
  let quoted = mark;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i);
    let escape: string | undefined;
    if (code === 10) escape = '\\n';
    else if (code === 13) escape = '\\r';
    else if (code === 9) escape = '\\t';
    else if (code === 8) escape = '\\b';
    else if (code === 12) escape = '\\f';
    else if (code === 92) escape = '\\\\';
    else if (code < 32 || (code >= 127 && code < 160)) escape = `\\x${padStart(toUpper(numberToString(code, 16)), 2, '0')}`;
    else if (text[i] === mark) escape = `\\${mark}`;
    else if (code >= 0xd800 && code <= 0xdfff) {
      const next = i + 1 < text.length ? charCodeAt(text, i + 1) : 0;
      if (code <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) {
        i++;
        continue;
      }
      escape = `\\u${toUpper(numberToString(code, 16))}`;
    }
    if (escape === undefined) continue;
    quoted += slice(text, from, i) + escape;
    from = i + 1;
  }
  return quoted + slice(text, from) + mark;
}
const toUpper = uncurryThis(String.prototype.toUpperCase);

function formatString(text: string): string {
  if (text.length <= STRING_CHARS_MAX) return quote(text);
  const more = text.length - STRING_CHARS_MAX;
  return `${quote(slice(text, 0, STRING_CHARS_MAX))}... ${more} more character${more > 1 ? 's' : ''}`;
}

function formatPrimitive(value: unknown): string {
  switch (typeof value) {
    case 'string': return formatString(value);
    case 'number': return value === 0 && 1 / value < 0 ? '-0' : `${value}`;
    // The decimal digits of a very large BigInt take time that grows with their square.
    case 'bigint': return value < -(10n ** 4000n) || value > 10n ** 4000n ? '<a BigInt of more than 4000 digits>' : `${bigintToString(value)}n`;
    case 'symbol': return symbolToString(value);
    default: return `${value as undefined}`;
  }
}

function format(context: Context, value: unknown, level: number): string {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') {
    const text = formatPrimitive(value);
    context.remaining -= text.length;
    return text;
  }
  if (context.remaining <= 0) return '…';
  const custom = (value as Record<symbol, unknown>)[CUSTOM];
  if (typeof custom === 'function' && custom !== inspect) {
    const shown: unknown = apply(custom, value, [context.depth - level, { depth: context.depth }, inspect]);
    if (shown !== value) return typeof shown === 'string' ? shown : format(context, shown, level);
  }
  if (arrayIndexOf(context.parents, value) >= 0) {
    let index = arrayIndexOf(context.circular, value);
    if (index < 0) {
      index = context.circular.length;
      push(context.circular, value);
    }
    return `[Circular *${index + 1}]`;
  }
  return formatObject(context, value, level);
}

/** The name of the class, found without calling anything; null without a prototype. */
function className(value: object): string | null {
  let object: object | null = value;
  for (let i = 0; object !== null && i < 100; i++) {
    const descriptor = getOwnPropertyDescriptor(object, 'constructor');
    if (descriptor !== undefined && typeof descriptor.value === 'function') {
      const name = getOwnPropertyDescriptor(descriptor.value as object, 'name')?.value as unknown;
      if (typeof name === 'string' && name !== '') return name;
    }
    object = getPrototypeOf(object);
  }
  return null;
}

function tagOf(value: object, name: string | null): string {
  let tag: unknown;
  try {
    tag = (value as Record<symbol, unknown>)[Symbol.toStringTag];
  } catch {
    return '';
  }
  return typeof tag === 'string' && tag !== '' && tag !== name ? ` [${tag}]` : '';
}

function functionBase(value: object, name: string | null): string {
  let text = '';
  try {
    text = functionText(value as () => void);
  } catch {
    // A callable proxy.
  }
  const own = getOwnPropertyDescriptor(value, 'name')?.value as unknown;
  const called = typeof own === 'string' && own !== '' ? own : undefined;
  if (startsWith(text, 'class') && text[text.length - 1] === '}') {
    const parent = getPrototypeOf(value);
    const parentName = parent === null ? undefined : (getOwnPropertyDescriptor(parent, 'name')?.value as unknown);
    return `[class ${called ?? '(anonymous)'}${typeof parentName === 'string' && parentName !== '' ? ` extends ${parentName}` : ''}]`;
  }
  const kind = name === 'AsyncFunction' || name === 'GeneratorFunction' || name === 'AsyncGeneratorFunction' ? name : 'Function';
  return called === undefined ? `[${kind} (anonymous)]` : `[${kind}: ${called}]`;
}

function key(name: PropertyKey): string {
  if (typeof name === 'symbol') return `[${symbolToString(name)}]`;
  const text = `${name}`;
  return matches(IDENTIFIER, text) ? text : quote(text);
}

function property(context: Context, object: object, name: PropertyKey, level: number, labelled: boolean): string | undefined {
  const descriptor = getOwnPropertyDescriptor(object, name);
  if (descriptor === undefined) return undefined;
  let text: string;
  if (descriptor.get !== undefined) text = descriptor.set !== undefined ? '[Getter/Setter]' : '[Getter]';
  else if (descriptor.set !== undefined) text = '[Setter]';
  else text = format(context, descriptor.value, level);
  if (!labelled) return text;
  const label = key(name);
  context.remaining -= label.length;
  return `${descriptor.enumerable === true ? label : `[${label}]`}: ${text}`;
}

function more(list: string[], count: number): void { if (count > 0) push(list, `... ${count} more item${count > 1 ? 's' : ''}`); }

function arrayItems(context: Context, value: unknown[], level: number): string[] {
  const output: string[] = [];
  const { length } = value;
  let shown = 0;
  let i = 0;
  for (; i < length && shown < ARRAY_ITEMS_MAX && context.remaining > 0; shown++) {
    let empty = i;
    while (empty < length && getOwnPropertyDescriptor(value, empty) === undefined && empty - i < 1_000_000) empty++;
    if (empty > i) {
      push(output, `<${empty - i} empty item${empty - i > 1 ? 's' : ''}>`);
      i = empty;
      continue;
    }
    push(output, property(context, value, i, level, false) ?? '');
    i++;
  }
  more(output, length - i);
  return output;
}

function isIndex(name: PropertyKey): boolean {
  if (typeof name !== 'string' || name === '' || name.length > 10) return false;
  for (let i = 0; i < name.length; i++) if (charCodeAt(name, i) < 48 || charCodeAt(name, i) > 57) return false;
  return true;
}

interface Shape { prefix: string; open: string; close: string; output: string[]; skipIndices: boolean }

/** What a class of the language shows besides its properties; undefined for ordinary objects. */
function known(context: Context, value: object, name: string | null, tag: string, level: number): Shape | string | undefined {
  if (isArray(value)) {
    const prefix = name === 'Array' ? '' : `${name ?? '[Array: null prototype]'}(${value.length}) `;
    return { prefix, open: '[', close: ']', output: arrayItems(context, value, level), skipIndices: true };
  }
  const typed = typedArrayTag(value);
  if (typed !== undefined) {
    const length = typedArrayLength(value);
    const output: string[] = [];
    const count = length > ARRAY_ITEMS_MAX ? ARRAY_ITEMS_MAX : length;
    for (let i = 0; i < count; i++) push(output, formatPrimitive((value as Record<number, unknown>)[i]));
    more(output, length - count);
    return { prefix: `${name ?? typed}(${length})${tag} `, open: '[', close: ']', output, skipIndices: true };
  }
  if (value instanceof Map) {
    const output: string[] = [];
    const prefix = `${name ?? 'Map'}(${mapSize(value)})${tag} `;
    mapForEach(value, (item: unknown, itemKey: unknown) => {
      if (output.length < ARRAY_ITEMS_MAX && context.remaining > 0) push(output, `${format(context, itemKey, level)} => ${format(context, item, level)}`);
    });
    more(output, mapSize(value) - output.length);
    return { prefix, open: '{', close: '}', output, skipIndices: false };
  }
  if (value instanceof Set) {
    const output: string[] = [];
    const prefix = `${name ?? 'Set'}(${setSize(value)})${tag} `;
    setForEach(value, (item: unknown) => {
      if (output.length < ARRAY_ITEMS_MAX && context.remaining > 0) push(output, format(context, item, level));
    });
    more(output, setSize(value) - output.length);
    return { prefix, open: '{', close: '}', output, skipIndices: false };
  }
  if (value instanceof Date) return Number.isNaN(dateTime(value)) ? 'Invalid Date' : dateText(value);
  if (value instanceof RegExp) return regexpText(value);
  if (value instanceof WeakMap || value instanceof WeakSet) return `${name ?? 'WeakMap'} { <items unknown> }`;
  if (isView(value)) return { prefix: `${name ?? 'DataView'} `, open: '{', close: '}', output: [`byteLength: ${(bytesOf(value) as Uint8Array).length}`], skipIndices: false };
  if (value instanceof ArrayBuffer) return { prefix: 'ArrayBuffer ', open: '{', close: '}', output: [`byteLength: ${bufferByteLength(value)}`], skipIndices: false };
  for (let i = 0; i < boxes.length; i++) {
    const box = boxes[i] as (typeof boxes)[number];
    if (value instanceof box[0]) return `[${box[1]}: ${formatPrimitive(box[2](value as never))}]`;
  }
  return undefined;
}

function errorBase(value: object): string {
  const text = (name: string): string => {
    try {
      const found = (value as Record<string, unknown>)[name];
      return typeof found === 'string' ? found : '';
    } catch {
      return '';
    }
  };
  const name = text('name') || 'Error';
  const message = text('message');
  const header = message === '' ? name : `${name}: ${message}`;
  let stack = text('stack');
  // QuickJS keeps frames only; V8 begins with a header that may be older than the name.
  const frames = indexOf(stack, '    at ');
  stack = frames < 0 ? (startsWith(stack, header) || startsWith(stack, name) ? '' : stack) : slice(stack, frames);
  while (stack !== '' && stack[stack.length - 1] === '\n') stack = slice(stack, 0, -1);
  return stack === '' ? (message === '' ? `[${header}]` : header) : `${header}\n${stack}`;
}

/** Whether there is anything inside: what is empty is shown at any depth. */
function hasContent(value: object, keys: readonly PropertyKey[]): boolean {
  try {
    if (value instanceof Map && mapSize(value) > 0) return true;
    if (value instanceof Set && setSize(value) > 0) return true;
  } catch {
    // Not what `instanceof` says.
  }
  for (let i = 0; i < keys.length; i++) if (getOwnPropertyDescriptor(value, keys[i] as PropertyKey)?.enumerable === true) return true;
  return false;
}

function formatObject(context: Context, value: object, level: number): string {
  let name: string | null;
  let keys: PropertyKey[];
  try {
    name = className(value);
    keys = ownKeys(value);
  } catch {
    return '<an object that cannot be shown>';
  }
  const tag = tagOf(value, name);
  const filled = hasContent(value, keys);
  if (filled && level > context.depth && !(value instanceof SavedError) && typeof value !== 'function') {
    return isArray(value) ? '[Array]' : `[${name ?? 'Object: null prototype'}${tag}]`;
  }
  push(context.parents, value);
  if (filled) context.currentDepth = level;
  let shape: Shape | string | undefined;
  let base = '';
  const isError = value instanceof SavedError;
  if (typeof value === 'function') base = functionBase(value, name);
  else if (isError) base = errorBase(value);
  else {
    try {
      shape = known(context, value, name, tag, level + 1);
    } catch {
      // `instanceof` says so but it is not: an object made with Object.create.
      shape = undefined;
    }
  }
  if (typeof shape === 'string') base = shape;
  const layout: Shape = typeof shape === 'object' ? shape : {
    prefix: base !== '' ? '' : name === 'Object' && tag === '' ? '' : `${name ?? '[Object: null prototype]'}${tag} `, open: '{', close: '}', output: [], skipIndices: false,
  };
  const { output } = layout;
  let left = 0;
  for (let i = 0; i < keys.length; i++) {
    const property_ = keys[i] as PropertyKey;
    if ((layout.skipIndices || (base !== '' && value instanceof String)) && isIndex(property_)) continue;
    const enumerable = getOwnPropertyDescriptor(value, property_)?.enumerable === true;
    const shownAnyway = isError && (property_ === 'cause' || property_ === 'errors');
    if ((!enumerable && !shownAnyway) || (isError && (property_ === 'stack' || property_ === 'message' || property_ === 'name'))) continue;
    if (context.remaining <= 0) {
      left++;
      continue;
    }
    const text = property(context, value, property_, level + 1, true);
    if (text !== undefined) push(output, text);
  }
  if (left > 0) push(output, `... ${left} more propert${left > 1 ? 'ies' : 'y'}`);
  context.parents.length--;
  const reference = arrayIndexOf(context.circular, value);
  if (reference >= 0) base = `<ref *${reference + 1}>${base === '' ? '' : ` ${base}`}`;
  base = indent(base, level);
  if (output.length === 0 && base !== '' && layout.prefix === '' && layout.open === '{' && typeof shape !== 'object') return base;
  if (output.length === 0) return `${base === '' ? '' : `${base} `}${layout.prefix}${layout.open}${layout.close}`;
  return lay(context, output, base, layout.prefix + layout.open, layout.close, level, layout.skipIndices);
}

function indent(text: string, level: number): string {
  return level === 0 || indexOf(text, '\n') < 0 ? text : arrayJoin(split(text, '\n'), `\n${repeat(' ', level * 2)}`);
}

/** One line when it fits and holds few levels, else one line for each entry; long lists of short entries in columns. */
function lay(context: Context, output: string[], base: string, open: string, close: string, level: number, isList: boolean): string {
  const start = base === '' ? open : `${base} ${open}`;
  if (context.currentDepth - level < LEVELS_ON_A_LINE) {
    let length = 2 * output.length + level * 2 + open.length + base.length + 10;
    let lines = indexOf(base, '\n') >= 0;
    for (let i = 0; i < output.length; i++) {
      const entry = output[i] as string;
      length += entry.length;
      if (indexOf(entry, '\n') >= 0) lines = true;
    }
    if (!lines && length <= LINE_CHARS) return `${start} ${arrayJoin(output, ', ')} ${close}`;
  }
  const margin = `\n${repeat(' ', level * 2)}`;
  return `${start}${margin}  ${arrayJoin(isList ? columns(output, level) : output, `,${margin}  `)}${margin}${close}`;
}

/** Rows of as many entries as a line holds, the entries of a column at one place. */
function columns(output: string[], level: number): string[] {
  let width = 0;
  for (let i = 0; i < output.length; i++) {
    const { length } = output[i] as string;
    // The last entry may be the note about what was left out.
    if (length > width && (i < output.length - 1 || length <= COLUMN_CHARS)) width = length;
    if (length > COLUMN_CHARS && i < output.length - 1) return output;
  }
  const count = min(COLUMNS_MAX, floor((LINE_CHARS - level * 2) / (width + 2)));
  if (count < 2 || output.length <= COLUMNS_FROM) return output;
  const rows: string[] = [];
  for (let i = 0; i < output.length; i += count) {
    let row = '';
    for (let n = i; n < i + count && n < output.length; n++) row += n === i ? padStart(output[n] as string, width) : `, ${padStart(output[n] as string, width)}`;
    push(rows, row);
  }
  return rows;
}
