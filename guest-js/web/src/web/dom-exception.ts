// DOMException, with the legacy codes of Web IDL.

import { defineProperty } from '../primordials.ts';
import { finishInterface } from '../webidl.ts';

const LEGACY: readonly string[] = [
  'IndexSizeError', '', 'HierarchyRequestError', 'WrongDocumentError', 'InvalidCharacterError', '', 'NoModificationAllowedError', 'NotFoundError',
  'NotSupportedError', 'InUseAttributeError', 'InvalidStateError', 'SyntaxError', 'InvalidModificationError', 'NamespaceError', 'InvalidAccessError',
  '', 'TypeMismatchError', 'SecurityError', 'NetworkError', 'AbortError', 'URLMismatchError', 'QuotaExceededError', 'TimeoutError',
  'InvalidNodeTypeError', 'DataCloneError',
];
const CODES: Record<string, number> = { __proto__: null } as never;
for (let i = 0; i < LEGACY.length; i++) if (LEGACY[i] !== '') CODES[LEGACY[i] as string] = i + 1;

export class DOMException extends Error {
  readonly #name: string;
  constructor(message: unknown = '', name: unknown = 'Error') {
    super(`${message as string}`);
    this.#name = `${name as string}`;
  }
  override get name(): string { return this.#name; }
  get code(): number { return CODES[this.#name] ?? 0; }
}
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
