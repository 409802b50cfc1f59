import { output } from './harness.mjs';
import * as jose from 'jose';

// Made for this script, and used nowhere else.
const RSA = { kty: 'RSA', n: 'mXJku7CNIKMRzwSDv7fTFh2zKXAf7DaxmMUNwMqmGjQ80kPjlDP82A18m5Ezy81gZun00tlOtoBx58kQc_0SSCdqto0tXA93fosXJYFa1W93XOjV0QwdJ-0BxFd1ASq8ZtVhnxsRwuIm-jj0vlJXz_0-97FZ35o6-Tb6gzwzirAXd1hjamxSSQAj3OynqrXCL9ZTnDngLeMgVzCEZrFJ0RzlO91CJ1LZost7ay-uoBZg7JVf0U2PEzMacPdTsdwb52BMJzNObSQw4JraXIxTb4qsJni1CUtrNyycq3qDlh5P8vM4jFuWIJf2DJ7AoF3Ggjrn4C4irv5l9c1TplCnnw', e: 'AQAB', d: 'EH6e_HFbN6W_2CiMlF3Jcj2pZiwYNQyguk19unqDhhqVFScuE17OmwJBdvmR_0zpmXZ5wPaSGFp7TrwAKZphI4zKfarJtEqHVlIo9U5P5NScGJ_WEtLXXtTX1UgaGuYspW3iQLeos5xwLdf_MGbqlerg9hWZlciJoVjQb1itKQcKfotsWXTqUFPnjKyOrMfu76PczVAclo5JXCaKNhs9vgWoHPH_9g_A40pCbzMXt5H_rN-WT_JouTmuiAhbXFJTQi-s3iJDxOss7yiRzTk9Hn7d25YwgVaZMGkYDDOG_apHRdbanKhSZdp17W-xnilJlXKyBoz1pVA1iDQ98ey6-Q', p: 'z6NcX6yGUYb3vYv74MFD0nVGg-1znn1n-ofoU-dcTbzIs_0dcY_VeFbahQkI5DBKXyl96ZN-ZDWOECfgz8clfe0IwU3N3KvJ7nu_SgVnjRBGjsjulgg4K_NeFl3J_ElCokQlg9sVoMfh7q1bQ2z38kTTpI-fQFYhouk2iQvZ_fc', q: 'vS_SQ-uXPbtChAhFedG2Q3HCKqsdCXejyJEg2IEGAIJcK3tSX0Rvmn3-EQVqCd2zlA9q5p-nvWWMe-vAAkWoAYulBUNUshxJPXIiHelNbOjt_cVFzRDFDSQxo9Fj7oNmFSi1jGYErIYDKmZ6f3DcrxrzQK1frdurMgyBowrrWZk', dp: 'U1Tet88HwSSHvNy3Y8Zsr8Q9Xqkno830swlkZngOBWzkp8fHz1HIfJlu7cFofhwbXQHL9LgrG5CayUUX5ouoMle1Ec9l9VBEpJ-pb82nd2e2yYs-pZv63zi25AcUD1pfkbwDyl1c2sAdnqqYXAEZqXOR9RNm-G0Y5sbuCiZlgJU', dq: 'ZaoXIiyuH5xLyEvxmd8aRPAS2X8OoZHLT_K9Zdsf8JIdGbixsURDfRALwfXY3-hlokEOv1Q4fczeS5GKoy3vdLUoPsXJ89TDfuOgddZzpv0dN2wVcHd8jO1QR6o0O24dI2228fW4uUVi2hwr4-Qwk2C2K6F_cxxCyShzWbx6cLE', qi: 'x6gbC54KjCDKtO0BjHV9kp3eGLNc39v-ANEHlW7exM-c4CR2M35nT2m-nJknUkKp72fhVx4n4yEBOSPSLQ7wX0IKJMEs2XT41iFMG_v2xnZBCTEuvIrlW3WLj0f9irTnt4KoOzlirXHW45bIAAhl4XNy7p4etKk2k99y4AFJOCg' };
const EC = { kty: 'EC', x: 'rLVxYcolHlOwNn0G-KBKfN_gMXmI2vdq0au26WLBAZ4', y: 'wTSk0RlmyvCRKKHP8AK91dBVfhzir9M-d-x57UP4bxk', crv: 'P-256', d: 'RntjlhYMeCzPNIegPGyN1y_KFnWqWYUrq3gF9alWXXc' };
const ED = { crv: 'Ed25519', d: 'Bhy33qzNrRjYweTNjURlnfgRnz5VqT1svfKfSd1rI_I', x: '9DJzgqlToqv5fKvSVzs3XAScRJhZAascL8mjkmn5fgk', kty: 'OKP' };
const X = { crv: 'X25519', d: 'YDLneFt8KDiad2R5hZFQk6X7pG-w-mtf2vFiX-U2i2k', x: 'siPsYC4OWTchE36YyDLwu1FZlKefC2gQJ97ZgbSj2HI', kty: 'OKP' };

const half = ({ d, p, q, dp, dq, qi, ...rest }) => rest;
const claims = { iss: 'https://login.example.com', sub: 'ada', aud: 'orders', iat: 1700000000, exp: 4102444800 };

// The order of members is an engine's own.
const sorted = (jwk) => Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)));

export default () => output(async (print) => {
  const secret = new TextEncoder().encode('a secret of at least thirty-two bytes, as RFC 7518 has it, and some more of it');
  const fail = async (work) => { try { return await work(); } catch (error) { return error.code ?? error.name; } };
  // Signatures that are the same each time are printed; of the others, whether they hold.
  for (const [alg, key, other, isRepeatable] of [
    ['HS256', secret, secret, true], ['HS384', secret, secret, true], ['HS512', secret, secret, true],
    ...['RS256', 'RS384', 'RS512'].map((alg) => [alg, RSA, half(RSA), true]), ...['PS256', 'PS384', 'PS512'].map((alg) => [alg, RSA, half(RSA), false]),
    ['ES256', EC, half(EC), false], ['EdDSA', ED, half(ED), true], ['Ed25519', ED, half(ED), true],
  ]) {
    const [privateKey, publicKey] = key === secret ? [secret, secret] : [await jose.importJWK(key, alg), await jose.importJWK(other, alg)];
    const token = await new jose.SignJWT(claims).setProtectedHeader({ alg }).sign(privateKey);
    print(alg, isRepeatable ? token : token.length);
    const { payload, protectedHeader } = await jose.jwtVerify(token, publicKey, { issuer: claims.iss, audience: 'orders' });
    print(payload, protectedHeader);
    const [header, body, signature] = token.split('.');
    print(await fail(() => jose.jwtVerify(`${header}.${body}.${signature.slice(0, -8)}AAAAAAAA`, publicKey)), await fail(() => jose.jwtVerify(token, publicKey, { audience: 'others' })));
  }
  // A verifier of keys by their ids.
  const set = jose.createLocalJWKSet({ keys: [{ ...half(RSA), kid: 'r', alg: 'RS256' }, { ...half(EC), kid: 'e', alg: 'ES256' }] });
  const byId = await new jose.SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'e' }).sign(await jose.importJWK(EC, 'ES256'));
  print((await jose.jwtVerify(byId, set)).payload.sub, await fail(() => jose.jwtVerify(byId.replace(/^[^.]*/, btoa('{"alg":"none"}')), set)));
  // Encryption: each way of agreeing on a key, each cipher.
  for (const [alg, key] of [['RSA-OAEP', RSA], ['RSA-OAEP-256', RSA], ['RSA-OAEP-512', RSA], ['ECDH-ES', EC], ['ECDH-ES+A128KW', EC], ['ECDH-ES+A256KW', X], ['A128KW', 16], ['A256GCMKW', 32], ['PBES2-HS256+A128KW', secret], ['dir', 32]]) {
    for (const enc of alg === 'dir' ? ['A256GCM'] : ['A128GCM', 'A192GCM', 'A256GCM', 'A128CBC-HS256', 'A256CBC-HS512']) {
      const bytes = key === secret ? secret : typeof key === 'number' ? new Uint8Array(key).fill(7) : undefined;
      const ours = bytes ?? (await jose.importJWK(key, alg));
      const theirs = bytes ?? (await jose.importJWK(half(key), alg));
      const sealed = await new jose.CompactEncrypt(new TextEncoder().encode('a message')).setProtectedHeader({ alg, enc }).encrypt(theirs);
      const { plaintext } = await jose.compactDecrypt(sealed, ours, { keyManagementAlgorithms: [alg], maxPBES2Count: 10000 });
      const forged = sealed.replace(/.{8}$/, 'AAAAAAAA');
      print(alg, enc, new TextDecoder().decode(plaintext), await fail(() => jose.compactDecrypt(forged, ours, { keyManagementAlgorithms: [alg], maxPBES2Count: 10000 })));
    }
  }
  for (const key of [RSA, EC, ED]) print(await jose.calculateJwkThumbprint(half(key)));
  const pem = await jose.exportSPKI(await jose.importJWK(half(EC), 'ES256', { extractable: true }));
  print(pem, sorted(await jose.exportJWK(await jose.importSPKI(pem, 'ES256', { extractable: true }))));
  const pkcs8 = await jose.exportPKCS8(await jose.importJWK(ED, 'EdDSA', { extractable: true }));
  print(pkcs8, sorted(await jose.exportJWK(await jose.importPKCS8(pkcs8, 'EdDSA', { extractable: true }))));
  const made = await jose.generateKeyPair('ES384', { extractable: true });
  print(Object.keys(await jose.exportJWK(made.publicKey)).sort());
});
