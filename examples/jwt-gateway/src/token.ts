// JSON Web Tokens (RFC 7519) that are signed (RFC 7515): the signature first, what is claimed after that.

import { keyFor, type Jwk } from './keys.ts';

export class InvalidToken extends Error {}

export interface Rules {
  issuer: string;
  audience: string;
  /** How far clocks may be apart. */
  leewaySeconds: number;
  keys: Jwk[];
}

export interface Claims { iss: string; sub: string; aud: string | string[]; exp: number; nbf?: number }

function fromBase64url(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
  } catch {
    throw new InvalidToken('the token is not base64url');
  }
}

function parse(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(fromBase64url(text)));
  } catch {
    throw new InvalidToken('the token is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidToken('the token is no object');
  return value as Record<string, unknown>;
}

/** The claims of a token, when it was signed with one of the keys for this audience and its time has come and not passed. */
export async function verify(token: string, rules: Rules): Promise<Claims> {
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const { alg, kid, crit } = parse(header);
  if (crit !== undefined) throw new InvalidToken('the token asks for extensions');
  // The algorithm is the key's: a token that says another one (or "none") is not asked what it means by that.
  const key = await keyFor(rules.keys, kid, alg);
  if (key === undefined) throw new InvalidToken('the key is not known');
  const signed = new TextEncoder().encode(`${header}.${payload}`);
  if (!(await crypto.subtle.verify(key.parameters, key.key, fromBase64url(signature), signed))) throw new InvalidToken('the signature is wrong');

  const claims = parse(payload) as Partial<Claims>;
  const now = Date.now() / 1000;
  if (claims.iss !== rules.issuer) throw new InvalidToken('the issuer is another one');
  if (![claims.aud].flat().includes(rules.audience)) throw new InvalidToken('the token is for somebody else');
  if (typeof claims.exp !== 'number' || claims.exp + rules.leewaySeconds <= now) throw new InvalidToken('the token has expired');
  if (claims.nbf !== undefined && !(claims.nbf - rules.leewaySeconds <= now)) throw new InvalidToken('the token is not valid yet');
  if (typeof claims.sub !== 'string') throw new InvalidToken('the token has no subject');
  return claims as Claims;
}
