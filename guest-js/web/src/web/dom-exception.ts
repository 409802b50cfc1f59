// DOMException, with the legacy codes of Web IDL.

import { create, defineProperty, getOwnPropertyDescriptor, indexOf, slice, startsWith } from '../primordials.ts';
import { domString, finishInterface } from '../webidl.ts';

const LEGACY: readonly string[] = [
  'IndexSizeError', '', 'HierarchyRequestError', 'WrongDocumentError', 'InvalidCharacterError', '', 'NoModificationAllowedError', 'NotFoundError',
  'NotSupportedError', 'InUseAttributeError', 'InvalidStateError', 'SyntaxError', 'InvalidModificationError', 'NamespaceError', 'InvalidAccessError',
  '', 'TypeMismatchError', 'SecurityError', 'NetworkError', 'AbortError', 'URLMismatchError', 'QuotaExceededError', 'TimeoutError',
  'InvalidNodeTypeError', 'DataCloneError',
];
const CODES: Record<string, number> = { __proto__: null } as never;
for (let i = 0; i < LEGACY.length; i++) if (LEGACY[i] !== '') CODES[LEGACY[i] as string] = i + 1;

const SavedError = Error;
const { construct } = Reflect;

/** Gives an object the private fields of this class: what its base class returns becomes `this`. */
class Given { constructor(object: object) { return object; } }
class Marked extends Given {
  readonly #message: string;
  readonly #name: string;
  constructor(error: object, message: string, name: string) {
    super(error);
    this.#message = message;
    this.#name = name;
  }
  static isMarked(value: object): boolean { return #name in value; }
  static message(error: unknown): string { return (error as Marked).#message; }
  static nameOf(error: unknown): string { return (error as Marked).#name; }
}

/** An error with `message` and `name` in its prototype, as Web IDL has it; no class of the language can be made so. */
export interface DOMException extends Error { readonly code: number }
export const DOMException = function (this: unknown, message: unknown = '', name: unknown = 'Error'): object {
  if (new.target === undefined) throw new TypeError("DOMException must be called with 'new'");
  const text = domString(message);
  const called = domString(name);
  const error = construct(SavedError, [], new.target) as Error;
  new Marked(error, text, called);
  const { stack } = error;
  // Of QuickJS's frames the first two are this function.
  if (typeof stack === 'string' && startsWith(stack, '    at construct')) {
    const own = slice(stack, indexOf(stack, '\n', indexOf(stack, '\n') + 1) + 1);
    defineProperty(error, 'stack', { __proto__: null, value: own, writable: true, configurable: true } as PropertyDescriptor);
  }
  return error;
} as unknown as { new (message?: unknown, name?: unknown): DOMException; readonly prototype: DOMException };

export function isDOMException(value: object): value is DOMException { return Marked.isMarked(value); }

class Members {
  get name(): string { return Marked.nameOf(this); }
  get message(): string { return Marked.message(this); }
  get code(): number { return CODES[Marked.nameOf(this)] ?? 0; }
}
const prototype = create(SavedError.prototype) as object;
defineProperty(prototype, 'constructor', { value: DOMException, writable: true, configurable: true });
for (const name of ['name', 'message', 'code']) defineProperty(prototype, name, getOwnPropertyDescriptor(Members.prototype, name) as PropertyDescriptor);
defineProperty(DOMException, 'prototype', { value: prototype, writable: false, enumerable: false, configurable: false });
finishInterface(DOMException, 'DOMException');
const CONSTANTS: readonly string[] = [
  'INDEX_SIZE_ERR', 'DOMSTRING_SIZE_ERR', 'HIERARCHY_REQUEST_ERR', 'WRONG_DOCUMENT_ERR', 'INVALID_CHARACTER_ERR', 'NO_DATA_ALLOWED_ERR',
  'NO_MODIFICATION_ALLOWED_ERR', 'NOT_FOUND_ERR', 'NOT_SUPPORTED_ERR', 'INUSE_ATTRIBUTE_ERR', 'INVALID_STATE_ERR', 'SYNTAX_ERR',
  'INVALID_MODIFICATION_ERR', 'NAMESPACE_ERR', 'INVALID_ACCESS_ERR', 'VALIDATION_ERR', 'TYPE_MISMATCH_ERR', 'SECURITY_ERR', 'NETWORK_ERR',
  'ABORT_ERR', 'URL_MISMATCH_ERR', 'QUOTA_EXCEEDED_ERR', 'TIMEOUT_ERR', 'INVALID_NODE_TYPE_ERR', 'DATA_CLONE_ERR',
];
for (let i = 0; i < CONSTANTS.length; i++) {
  defineProperty(DOMException, CONSTANTS[i] as string, { value: i + 1, enumerable: true });
  defineProperty(DOMException.prototype, CONSTANTS[i] as string, { value: i + 1, enumerable: true });
}
