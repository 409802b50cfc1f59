// Values as text for people, in the manner of Node's util.inspect: depth and length limits, cycles, classes, errors with their
// stack and causes. Calls no getter; never throws.

import {
  apply, arrayIndexOf, arrayJoin, bigintToString, bufferByteLength, charCodeAt, floor, getOwnPropertyDescriptor, getPrototypeOf, indexOf, isArray, isView, mapForEach,
  mapSize, matches, max, min, numberToString, ownKeys, padStart, push, repeat, round, setForEach, setSize, slice, split, sqrt, startsWith, symbolToString, typedArrayLength,
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
const COLUMNS_MAX = 15;
/** Texts up to this length are never split into lines. */
const UNSPLIT_CHARS = 16;
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

/** What util.inspect takes; `depth` null means without end, up to a bound. */
export interface InspectOptions {
  depth?: number | null | undefined; breakLength?: number; compact?: boolean | number; maxArrayLength?: number | null; maxStringLength?: number | null;
  sorted?: boolean | ((a: string, b: string) => number); showHidden?: boolean; colors?: boolean; customInspect?: boolean;
}

interface Context {
  readonly depth: number;
  readonly options: InspectOptions;
  readonly lineChars: number;
  readonly levelsOnALine: number;
  readonly arrayItemsMax: number;
  readonly stringCharsMax: number;
  readonly parents: object[];
  /** Objects met again below themselves, in the order they are numbered. */
  readonly circular: object[];
  /** The depth of the object formatted last, which decides what fits on one line (as in Node). */
  currentDepth: number;
  remaining: number;
}

/** The text of a value; strings are quoted. */
export function inspect(value: unknown, how: number | InspectOptions = DEPTH): string {
  const options: InspectOptions = typeof how === 'number' ? { depth: how } : how;
  const { compact, breakLength, maxArrayLength, maxStringLength } = options;
  const depth = options.depth === undefined ? DEPTH : options.depth === null || options.depth > DEPTH_CEILING ? DEPTH_CEILING : options.depth;
  const context: Context = {
    depth, options, parents: [], circular: [], currentDepth: 0, remaining: TOTAL_CHARS_MAX,
    lineChars: breakLength ?? LINE_CHARS,
    levelsOnALine: compact === undefined || compact === true ? LEVELS_ON_A_LINE : compact === false ? 0 : compact,
    arrayItemsMax: maxArrayLength === undefined ? ARRAY_ITEMS_MAX : maxArrayLength === null ? Infinity : maxArrayLength,
    stringCharsMax: maxStringLength === undefined ? STRING_CHARS_MAX : maxStringLength === null ? Infinity : maxStringLength,
  };
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

function formatString(text: string, charsMax: number): string {
  if (text.length <= charsMax) return quote(text);
  const more = text.length - charsMax;
  return `${quote(slice(text, 0, charsMax))}... ${more} more character${more > 1 ? 's' : ''}`;
}

/** ANSI colours of the kinds of values, as Node's. */
const STYLES: Record<string, readonly [number, number]> = {
  __proto__: null, special: [36, 39], number: [33, 39], bigint: [33, 39], boolean: [33, 39], undefined: [90, 39], null: [1, 22], string: [32, 39], symbol: [32, 39],
  date: [35, 39], regexp: [31, 39], module: [4, 24],
} as never;

/** Characters without colours. */
function plainLength(context: Context, text: string): number {
  return context.options.colors === true ? text.replace(/\x1b\[\d+m/g, '').length : text.length;
}

function styled(context: Context, text: string, kind: string): string {
  if (context.options.colors !== true) return text;
  const style = STYLES[kind];
  return style === undefined ? text : `\x1b[${style[0]}m${text}\x1b[${style[1]}m`;
}

function formatPrimitive(value: unknown, charsMax = STRING_CHARS_MAX): string {
  switch (typeof value) {
    case 'string': return formatString(value, charsMax);
    case 'number': return value === 0 && 1 / value < 0 ? '-0' : `${value}`;
    // The decimal digits of a very large BigInt take time that grows with their square.
    case 'bigint': return value < -(10n ** 4000n) || value > 10n ** 4000n ? '<a BigInt of more than 4000 digits>' : `${bigintToString(value)}n`;
    case 'symbol': return symbolToString(value);
    default: return `${value as undefined}`;
  }
}

function splitText(context: Context, text: string, level: number): string {
  const lines: string[] = [];
  for (let from = 0; from < text.length;) {
    const end = indexOf(text, '\n', from);
    push(lines, styled(context, quote(slice(text, from, end < 0 ? text.length : end + 1)), 'string'));
    from = end < 0 ? text.length : end + 1;
  }
  return arrayJoin(lines, ` +\n${repeat(' ', level * 2 + 2)}`);
}

function format(context: Context, value: unknown, level: number): string {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') {
    const text = formatPrimitive(value, context.stringCharsMax);
    context.remaining -= text.length;
    // A text of several lines that is too long for one is shown line by line.
    if (typeof value === 'string' && value.length > UNSPLIT_CHARS && value.length > context.lineChars - level * 2 - 4
      && value.length <= context.stringCharsMax && context.options.compact !== true && indexOf(value, '\n') >= 0) return splitText(context, value, level);
    return styled(context, text, value === null ? 'null' : typeof value);
  }
  if (context.remaining <= 0) return '…';
  const custom = (value as Record<symbol, unknown>)[CUSTOM];
  if (typeof custom === 'function' && custom !== inspect && context.options.customInspect !== false) {
    const left = context.depth - level;
    const stylize = (text: unknown, kind: string): string => styled(context, `${text as string}`, kind);
    const shown: unknown = apply(custom, value, [left, { ...context.options, depth: left, stylize }, inspect]);
    if (shown !== value) return typeof shown === 'string' ? shown : format(context, shown, level);
  }
  if (arrayIndexOf(context.parents, value) >= 0) {
    let index = arrayIndexOf(context.circular, value);
    if (index < 0) {
      index = context.circular.length;
      push(context.circular, value);
    }
    return styled(context, `[Circular *${index + 1}]`, 'special');
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
  if (descriptor.get !== undefined) text = styled(context, descriptor.set !== undefined ? '[Getter/Setter]' : '[Getter]', 'special');
  else if (descriptor.set !== undefined) text = styled(context, '[Setter]', 'special');
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
  for (; i < length && shown < context.arrayItemsMax && context.remaining > 0; shown++) {
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
    const count = length > context.arrayItemsMax ? context.arrayItemsMax : length;
    for (let i = 0; i < count; i++) push(output, format(context, (value as Record<number, unknown>)[i], level));
    more(output, length - count);
    return { prefix: `${name ?? typed}(${length})${tag} `, open: '[', close: ']', output, skipIndices: true };
  }
  if (value instanceof Map) {
    const output: string[] = [];
    const prefix = `${name ?? 'Map'}(${mapSize(value)})${tag} `;
    mapForEach(value, (item: unknown, itemKey: unknown) => {
      if (output.length < context.arrayItemsMax && context.remaining > 0) push(output, `${format(context, itemKey, level)} => ${format(context, item, level)}`);
    });
    more(output, mapSize(value) - output.length);
    return { prefix, open: '{', close: '}', output, skipIndices: false };
  }
  if (value instanceof Set) {
    const output: string[] = [];
    const prefix = `${name ?? 'Set'}(${setSize(value)})${tag} `;
    setForEach(value, (item: unknown) => {
      if (output.length < context.arrayItemsMax && context.remaining > 0) push(output, format(context, item, level));
    });
    more(output, setSize(value) - output.length);
    return { prefix, open: '{', close: '}', output, skipIndices: false };
  }
  if (value instanceof Date) return styled(context, Number.isNaN(dateTime(value)) ? 'Invalid Date' : dateText(value), 'date');
  if (value instanceof RegExp) return styled(context, regexpText(value), 'regexp');
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
  if (typeof value === 'function') base = styled(context, functionBase(value, name), 'special');
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
    if ((!enumerable && !shownAnyway && context.options.showHidden !== true) || (isError && (property_ === 'stack' || property_ === 'message' || property_ === 'name'))) continue;
    if (context.remaining <= 0) {
      left++;
      continue;
    }
    const text = property(context, value, property_, level + 1, true);
    if (text !== undefined) push(output, text);
  }
  const { sorted } = context.options;
  if (sorted !== undefined && sorted !== false && !layout.skipIndices) output.sort(sorted === true ? undefined : sorted);
  if (left > 0) push(output, `... ${left} more propert${left > 1 ? 'ies' : 'y'}`);
  context.parents.length--;
  const reference = arrayIndexOf(context.circular, value);
  if (reference >= 0) base = `<ref *${reference + 1}>${base === '' ? '' : ` ${base}`}`;
  base = indent(base, level);
  if (output.length === 0 && base !== '' && layout.prefix === '' && layout.open === '{' && typeof shape !== 'object') return base;
  if (output.length === 0) return `${base === '' ? '' : `${base} `}${layout.prefix}${layout.open}${layout.close}`;
  return lay(context, output, base, layout.prefix + layout.open, layout.close, level, layout.skipIndices ? value : undefined);
}

function indent(text: string, level: number): string {
  return level === 0 || indexOf(text, '\n') < 0 ? text : arrayJoin(split(text, '\n'), `\n${repeat(' ', level * 2)}`);
}

/** One line when it fits and holds few levels, else one line for each entry; long lists of short entries in columns. */
function lay(context: Context, given: string[], base: string, open: string, close: string, level: number, list: unknown): string {
  const start = base === '' ? open : `${base} ${open}`;
  const entries = given.length;
  const output = list !== undefined && entries > COLUMNS_FROM && context.levelsOnALine > 0 ? columns(context, given, list, level) : given;
  if (context.currentDepth - level < context.levelsOnALine) {
    let length = 2 * output.length + level * 2 + open.length + base.length + 10;
    let lines = indexOf(base, '\n') >= 0 || entries !== output.length;
    for (let i = 0; i < output.length; i++) {
      const entry = output[i] as string;
      length += plainLength(context, entry);
      if (indexOf(entry, '\n') >= 0) lines = true;
    }
    if (!lines && length <= context.lineChars) return `${start} ${arrayJoin(output, ', ')} ${close}`;
  }
  const margin = `\n${repeat(' ', level * 2)}`;
  return `${start}${margin}  ${arrayJoin(output, `,${margin}  `)}${margin}${close}`;
}

/** Rows of columns for short entries, as many as look like a square: Node's rule, whose numbers are these. */
function columns(context: Context, output: string[], value: unknown, level: number): string[] {
  const noted = context.arrayItemsMax < output.length ? 1 : 0;
  const count = output.length - noted;
  const shown: number[] = [];
  let total = 0;
  let longest = 0;
  for (let i = 0; i < count; i++) {
    const chars = plainLength(context, output[i] as string);
    push(shown, chars);
    total += chars + 2;
    if (chars > longest) longest = chars;
  }
  const width = longest + 2;
  if (width * 3 + level * 2 >= context.lineChars || (total / width <= COLUMNS_FROM - 1 && longest > COLUMNS_FROM)) return output;
  const biased = max(width - 3 - sqrt(width - total / output.length), 1);
  const number = min(round(sqrt(2.5 * biased * count) / biased), floor((context.lineChars - level * 2) / width), context.levelsOnALine * 4, COLUMNS_MAX);
  if (number <= 1) return output;
  const widths: number[] = [];
  for (let column = 0; column < number; column++) {
    let widest = 0;
    for (let i = column; i < count; i += number) if ((shown[i] as number) > widest) widest = shown[i] as number;
    push(widths, widest);
  }
  let numbers = true;
  for (let i = 0; i < count && numbers; i++) numbers = typeof (value as unknown[])[i] === 'number' || typeof (value as unknown[])[i] === 'bigint';
  const rows: string[] = [];
  for (let i = 0; i < count; i += number) {
    let row = '';
    for (let n = i; n < i + number && n < count; n++) {
      const entry = output[n] as string;
      const space = repeat(' ', (widths[n - i] as number) - (shown[n] as number));
      const isLast = n === i + number - 1 || n === count - 1;
      row += numbers ? space + entry + (isLast ? '' : ', ') : entry + (isLast ? '' : `, ${space}`);
    }
    push(rows, row);
  }
  if (noted > 0) push(rows, output[count] as string);
  return rows;
}
