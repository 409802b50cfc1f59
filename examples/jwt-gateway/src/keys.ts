// The issuer's public keys (a JWK Set, RFC 7517), and what each is good for.

export interface Jwk { kty: string; kid: string; alg: string; n?: string; e?: string; crv?: string; x?: string; y?: string }

/** How a key of an `alg` is imported, and how it verifies (RFC 7518, 3.1; RFC 8037, 3.1). */
const ALGORITHMS: Record<string, [imported: object, verifies: object]> = {
  RS256: [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, { name: 'RSASSA-PKCS1-v1_5' }],
  ES256: [{ name: 'ECDSA', namedCurve: 'P-256' }, { name: 'ECDSA', hash: 'SHA-256' }],
  EdDSA: [{ name: 'Ed25519' }, { name: 'Ed25519' }],
};

type Algorithm = { name: string };

/** The key that a token's header names, if the token claims the algorithm that the key is for. */
export async function keyFor(keys: Jwk[], kid: unknown, alg: unknown): Promise<{ key: CryptoKey; parameters: Algorithm } | undefined> {
  const jwk = keys.find((candidate) => candidate.kid === kid && candidate.alg === alg);
  const algorithm = jwk === undefined ? undefined : ALGORITHMS[jwk.alg];
  if (jwk === undefined || algorithm === undefined) return undefined;
  const [imported, verifies] = algorithm as [Algorithm, Algorithm];
  return { key: await crypto.subtle.importKey('jwk', { ...jwk }, imported, false, ['verify']), parameters: verifies };
}
