import { output } from './harness.mjs';

// Web Push without a package, because those there are ask for node:crypto's own elliptic curves: a message by RFC 8291 (with the keys of its
// appendix A, so that the text is known), and a VAPID token by RFC 8292.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const base64url = (data) => btoa(String.fromCharCode(...new Uint8Array(data))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const utf8 = (text) => new TextEncoder().encode(text);
const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...new Uint8Array(part)]));

const P256 = { name: 'ECDH', namedCurve: 'P-256' };
const receiver = { public: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4', auth: 'BTBZMqHH6r4Tts7J_aSIgg' };
const sender = { private: 'yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw', public: 'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8' };
const salt = 'DGv6ra1nlYgDCS1FRnbzlw';

function jwk(pair) {
  const point = bytes(pair.public);
  return { kty: 'EC', crv: 'P-256', x: base64url(point.slice(1, 33)), y: base64url(point.slice(33)), d: pair.private };
}

async function derive(secret, info, saltBytes, length) {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  return crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: saltBytes, info }, key, length * 8);
}

async function seal(message) {
  const theirs = await crypto.subtle.importKey('raw', bytes(receiver.public), P256, true, []);
  const ours = await crypto.subtle.importKey('jwk', jwk(sender), P256, false, ['deriveBits']);
  const secret = await crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, ours, 256);
  const ikm = await derive(secret, join(utf8('WebPush: info\0'), bytes(receiver.public), bytes(sender.public)), bytes(receiver.auth), 32);
  const cek = await derive(ikm, utf8('Content-Encoding: aes128gcm\0'), bytes(salt), 16);
  const nonce = await derive(ikm, utf8('Content-Encoding: nonce\0'), bytes(salt), 12);
  const key = await crypto.subtle.importKey('raw', cek, 'AES-GCM', false, ['encrypt']);
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, join(utf8(message), [2]));
  return join(bytes(salt), [0, 0, 16, 0], [65], bytes(sender.public), sealed);
}

export default () => output(async (print) => {
  const body = base64url(await seal('When I grow up, I want to be a watermelon'));
  print(body);
  print(body === 'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN');
  const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };
  const signer = await crypto.subtle.importKey('jwk', jwk(sender), ecdsa, false, ['sign']);
  const token = [{ typ: 'JWT', alg: 'ES256' }, { aud: 'https://push.example.net', exp: 1453523768, sub: 'mailto:push@example.com' }].map((part) => base64url(utf8(JSON.stringify(part)))).join('.');
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, signer, utf8(token));
  const verifier = await crypto.subtle.importKey('raw', bytes(sender.public), ecdsa, true, ['verify']);
  print(token, signature.byteLength, await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, verifier, signature, utf8(token)));
  // The example token of RFC 8292, 2.4, and its key.
  const example = 'eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA';
  const key = await crypto.subtle.importKey('raw', bytes('BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs'), ecdsa, true, ['verify']);
  const [header, claims, signed] = example.split('.');
  print(await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, bytes(signed), utf8(`${header}.${claims}`)));
});
