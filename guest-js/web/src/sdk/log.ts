// sdk.log: a message and structured fields, each field as JSON text. Sizes are bounded here so that one call cannot fill the
// invocation's log; the host's own caps decide what is kept.

import { inspect } from '../web/inspect.ts';
import { native } from '../native.ts';
import { freeze, jsonStringify, objectKeys, push, slice } from '../primordials.ts';

/** Characters of a message. */
export const MESSAGE_CHARS_MAX = 65_536;
/** Characters of a field's JSON text. */
const FIELD_CHARS_MAX = 8_192;
const FIELD_NAME_CHARS_MAX = 128;
const FIELDS_MAX = 64;
const ORIGIN_SDK = 1;

/** Cuts a text and says how much is missing. */
export function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${slice(text, 0, chars)}… ${text.length - chars} more characters`;
}

function replace(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}`;
  if (value instanceof Error) return inspect(value);
  return value;
}

function jsonText(value: unknown): string {
  let text: string | undefined;
  try {
    text = jsonStringify(value, replace);
  } catch {
    // A cycle, or a toJSON that throws: readable text is worth more than none.
  }
  if (text === undefined) text = jsonStringify(inspect(value));
  return text.length <= FIELD_CHARS_MAX ? text : jsonStringify(cut(text, FIELD_CHARS_MAX - 64));
}

function fieldsOf(fields: unknown): string[] {
  const list: string[] = [];
  if (fields === undefined) return list;
  if (typeof fields !== 'object' || fields === null || fields instanceof Error) {
    push(list, 'value');
    push(list, jsonText(fields));
    return list;
  }
  try {
    const names = objectKeys(fields);
    const count = names.length > FIELDS_MAX ? FIELDS_MAX - 1 : names.length;
    for (let i = 0; i < count; i++) {
      const name = names[i] as string;
      let text: string;
      try {
        text = jsonText((fields as Record<string, unknown>)[name]);
      } catch (error) {
        text = jsonStringify(`<unreadable: ${inspect(error, 0)}>`);
      }
      push(list, cut(name, FIELD_NAME_CHARS_MAX));
      push(list, text);
    }
    if (count < names.length) {
      push(list, 'fieldsDropped');
      push(list, `${names.length - count}`);
    }
  } catch {
    push(list, 'value');
    push(list, '"<unreadable>"');
  }
  return list;
}

function write(level: number, message: unknown, fields: unknown): void {
  native.log(ORIGIN_SDK, level, cut(typeof message === 'string' ? message : inspect(message), MESSAGE_CHARS_MAX), fieldsOf(fields));
}

export const log = freeze({
  debug: (message: unknown, fields?: unknown): void => write(0, message, fields),
  info: (message: unknown, fields?: unknown): void => write(1, message, fields),
  warn: (message: unknown, fields?: unknown): void => write(2, message, fields),
  error: (message: unknown, fields?: unknown): void => write(3, message, fields),
});
