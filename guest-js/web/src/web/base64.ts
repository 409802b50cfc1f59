// atob and btoa, by the engine.

import { native } from '../native.ts';
import { domString, required } from '../webidl.ts';
import { DOMException } from './dom-exception.ts';

export function atob(data: unknown): string {
  required(arguments.length, 1, 'atob');
  const text = native.atob(domString(data));
  if (text === undefined) throw new DOMException('atob: the string is not base64', 'InvalidCharacterError');
  return text;
}

export function btoa(data: unknown): string {
  required(arguments.length, 1, 'btoa');
  const text = native.btoa(domString(data));
  if (text === undefined) throw new DOMException('btoa: the string holds a character beyond U+00FF', 'InvalidCharacterError');
  return text;
}
