// Values as text: on one line for messages, one member a line for what is compared. Bounded, whatever it is given.

const DEPTH_MAX = 8;
const MEMBERS_MAX = 200;
const TEXT_MAX = 4_000;

/** A value that says by itself how it is shown: an asymmetric matcher, a mock function. */
export const SHOWN: unique symbol = Symbol('shown');

interface Style { readonly lines: boolean; readonly depthMax: number }

function cut(text: string): string { return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}… ${text.length - TEXT_MAX} more characters`; }

function isIdentifier(name: string): boolean { return /^[A-Za-z_$][\w$]*$/.test(name); }

function className(value: object): string {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null;
  if (prototype === null) return '[Object: null prototype]';
  const name = prototype.constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'Object';
}

function isTypedArray(value: unknown): value is Uint8Array { return ArrayBuffer.isView(value) && !(value instanceof DataView); }

function group(open: string, members: string[], close: string, { lines }: Style, indent: string): string {
  if (members.length === 0) return open + close;
  if (!lines) return open === '[' ? `[${members.join(', ')}]` : `${open} ${members.join(', ')} ${close}`;
  return `${open}\n${members.map((member) => `${indent}  ${member},\n`).join('')}${indent}${close}`;
}

function bounded<T>(all: Iterable<T>, size: number, show: (member: T) => string): string[] {
  const shown: string[] = [];
  for (const member of all) {
    if (shown.length >= MEMBERS_MAX) {
      shown.push(`… ${size - MEMBERS_MAX} more`);
      break;
    }
    shown.push(show(member));
  }
  return shown;
}

function show(value: unknown, style: Style, indent: string, parents: readonly object[]): string {
  switch (typeof value) {
    case 'string': return JSON.stringify(cut(value));
    case 'bigint': return `${value}n`;
    case 'number': return Object.is(value, -0) ? '-0' : `${value}`;
    case 'symbol': return value.toString();
    case 'function': return SHOWN in value ? String((value as { [SHOWN]: unknown })[SHOWN]) : value.name === '' ? '[Function]' : `[Function ${value.name}]`;
    case 'undefined':
    case 'boolean': return `${value}`;
    default: break;
  }
  if (value === null) return 'null';
  const object = value as object;
  if (SHOWN in object) return String((object as { [SHOWN]: unknown })[SHOWN]);
  if (parents.includes(object)) return '[Circular]';
  if (object instanceof Date) return Number.isNaN(object.getTime()) ? 'Invalid Date' : object.toISOString();
  if (object instanceof RegExp) return `${object}`;
  if (object instanceof Error) return `[${object.name === '' ? 'Error' : object.name}: ${cut(object.message)}]`;
  if (parents.length >= style.depthMax) return Array.isArray(object) ? '[Array]' : `[${className(object)}]`;
  const within = [...parents, object];
  const inner = `${indent}  `;
  const nested = (member: unknown): string => show(member, style, inner, within);
  if (Array.isArray(object)) return group('[', bounded(object as unknown[], object.length, nested), ']', style, indent);
  if (isTypedArray(object)) return `${className(object)} ${group('[', bounded(object, object.length, nested), ']', style, indent)}`;
  if (object instanceof ArrayBuffer) return `ArrayBuffer ${group('[', bounded(new Uint8Array(object), object.byteLength, nested), ']', style, indent)}`;
  if (object instanceof Map) return `Map ${group('{', bounded(object, object.size, ([key, member]) => `${nested(key)} => ${nested(member)}`), '}', style, indent)}`;
  if (object instanceof Set) return `Set ${group('{', bounded(object, object.size, nested), '}', style, indent)}`;
  if (object instanceof Promise) return 'Promise {}';
  const special = web(object, nested);
  if (special !== undefined) return special;
  const names = [...Object.keys(object).sort(), ...Object.getOwnPropertySymbols(object).filter((name) => Object.prototype.propertyIsEnumerable.call(object, name))];
  const members = bounded(names, names.length, (name) => {
    const key = typeof name === 'symbol' ? `[${name.toString()}]` : style.lines || !isIdentifier(name) ? JSON.stringify(name) : name;
    return `${key}: ${nested((object as Record<PropertyKey, unknown>)[name])}`;
  });
  const name = className(object);
  return `${name === 'Object' ? '' : `${name} `}${group('{', members, '}', style, indent)}`;
}

/** Objects of the web whose content is no property. */
function web(object: object, nested: (value: unknown) => string): string | undefined {
  if (object instanceof URL) return `URL ${nested(object.href)}`;
  if (object instanceof Headers) return `Headers ${nested(Object.fromEntries(object))}`;
  if (object instanceof URLSearchParams) return `URLSearchParams ${nested(`${object}`)}`;
  if (object instanceof Response) return `Response ${nested({ status: object.status, headers: object.headers })}`;
  if (object instanceof Request) return `Request ${nested({ method: object.method, url: object.url, headers: object.headers })}`;
  return undefined;
}

/** On one line, for a message. */
export function brief(value: unknown): string {
  const text = guarded(value, { lines: false, depthMax: 4 });
  return text.length <= 160 ? text : `${text.slice(0, 157)}…`;
}

/** One member a line, members in the order of their names: what is compared. */
export function full(value: unknown): string { return guarded(value, { lines: true, depthMax: DEPTH_MAX }); }

function guarded(value: unknown, style: Style): string {
  try {
    return show(value, style, '', []);
  } catch (error) {
    // A getter or a proxy of the applet's.
    return `a value that cannot be shown (${error instanceof Error ? error.message : typeof error})`;
  }
}
