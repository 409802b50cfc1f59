// JSON Web Keys (RFC 7517, 7518, 8037): members are read and checked here; what they mean for an algorithm is said where it is.

import { native } from '../native.ts';
import { arrayIndexOf, copyArray, matches, push } from '../primordials.ts';
import { domString, isObject } from '../webidl.ts';
import { sequence } from '../lazy.ts';
import { DOMException } from '../web/dom-exception.ts';
import type { Usage } from './key.ts';

const MEMBERS = ['alg', 'crv', 'd', 'dp', 'dq', 'e', 'ext', 'k', 'key_ops', 'kty', 'n', 'oth', 'p', 'q', 'qi', 'use', 'x', 'y'] as const;
type TextMember = Exclude<(typeof MEMBERS)[number], 'ext' | 'key_ops' | 'oth'>;
export type Jwk = { [member in TextMember]?: string } & { ext?: boolean; key_ops?: string[]; oth?: unknown };

export function dataError(what: string): DOMException { return new DOMException(`the JSON Web Key is not valid: ${what}`, 'DataError'); }

/** The dictionary JsonWebKey. */
export function jwkOf(value: unknown): Jwk {
  if (!isObject(value)) throw new TypeError('a key in the format "jwk" must be an object');
  const jwk: Record<string, unknown> = { __proto__: null } as never;
  for (let i = 0; i < MEMBERS.length; i++) {
    const member = MEMBERS[i] as string;
    const given = (value as Record<string, unknown>)[member];
    if (given === undefined) continue;
    if (member === 'ext') jwk[member] = !!given;
    else if (member === 'key_ops') jwk[member] = sequence(given, 'key_ops', domString);
    else if (member === 'oth') jwk[member] = sequence(given, 'oth');
    else jwk[member] = domString(given);
  }
  return jwk;
}

/** Checks what all algorithms have in common; `use` is that of this algorithm, if it has one. */
export function checkJwk(jwk: Jwk, kty: string, use: string | undefined, extractable: boolean, usages: readonly Usage[]): void {
  if (jwk.kty !== kty) throw dataError(`"kty" is not "${kty}"`);
  if (use !== undefined && usages.length > 0 && jwk.use !== undefined && jwk.use !== use) throw dataError(`"use" is not "${use}"`);
  const operations = jwk.key_ops;
  if (operations !== undefined) {
    for (let i = 0; i < operations.length; i++) {
      if (arrayIndexOf(operations, operations[i] as string) !== i) throw dataError('"key_ops" names an operation twice');
    }
    for (let i = 0; i < usages.length; i++) {
      if (arrayIndexOf(operations, usages[i] as string) < 0) throw dataError(`"key_ops" does not allow "${usages[i] as string}"`);
    }
  }
  if (jwk.ext === false && extractable) throw dataError('"ext" does not allow the key to be extractable');
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** The bytes of a member, which must be there. */
export function member(jwk: Jwk, name: TextMember): Uint8Array {
  const text = jwk[name];
  if (text === undefined) throw dataError(`"${name}" is missing`);
  if (!matches(BASE64URL, text)) throw dataError(`"${name}" is not base64url`);
  let standard = '';
  for (let i = 0; i < text.length; i++) standard += text[i] === '-' ? '+' : text[i] === '_' ? '/' : (text[i] as string);
  const bytes = native.base64Decode(standard);
  if (bytes === undefined) throw dataError(`"${name}" is not base64url`);
  return bytes;
}

export function base64url(bytes: Uint8Array): string {
  const standard = native.base64Encode(bytes);
  let text = '';
  for (let i = 0; i < standard.length && standard[i] !== '='; i++) text += standard[i] === '+' ? '-' : standard[i] === '/' ? '_' : (standard[i] as string);
  return text;
}

/** The bytes of several members. */
export function members(jwk: Jwk, names: readonly TextMember[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < names.length; i++) push(parts, member(jwk, names[i] as TextMember));
  return parts;
}

/** A key that goes out; its members are in the order in which Web IDL gives those of a dictionary. */
export function newJwk(kty: string, alg: string | undefined, crv: string | undefined, names: readonly TextMember[], parts: readonly Uint8Array[], usages: readonly Usage[], extractable: boolean): Jwk {
  const jwk: Record<string, unknown> = {};
  for (let i = 0; i < MEMBERS.length; i++) {
    const name = MEMBERS[i] as (typeof MEMBERS)[number];
    const at = arrayIndexOf(names as readonly string[], name);
    const value = at >= 0 ? base64url(parts[at] as Uint8Array)
      : name === 'alg' ? alg : name === 'crv' ? crv : name === 'ext' ? extractable : name === 'key_ops' ? copyArray(usages) : name === 'kty' ? kty : undefined;
    if (value !== undefined) jwk[name] = value;
  }
  return jwk as Jwk;
}
