// The signature of a delivery: HMAC-SHA256 over the raw body, in hexadecimal after `sha256=`.

const HMAC = { name: 'HMAC', hash: 'SHA-256' };

function fromHex(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{64}$/i.test(text)) return undefined;
  return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** Whether `header` is the signature of `body`. `subtle.verify` compares in constant time. */
export async function isSigned(secret: string, header: string | null, body: Uint8Array): Promise<boolean> {
  const signature = header?.startsWith('sha256=') ? fromHex(header.slice('sha256='.length)) : undefined;
  if (signature === undefined) return false;
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(secret), HMAC, false, ['verify']);
  return crypto.subtle.verify('HMAC', key, signature, body);
}
