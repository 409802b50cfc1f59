import { output } from './harness.mjs';
import * as oauth from 'oauth4webapi';

// Made for this script, and used nowhere else.
const RSA = { kty: 'RSA', n: 'mXJku7CNIKMRzwSDv7fTFh2zKXAf7DaxmMUNwMqmGjQ80kPjlDP82A18m5Ezy81gZun00tlOtoBx58kQc_0SSCdqto0tXA93fosXJYFa1W93XOjV0QwdJ-0BxFd1ASq8ZtVhnxsRwuIm-jj0vlJXz_0-97FZ35o6-Tb6gzwzirAXd1hjamxSSQAj3OynqrXCL9ZTnDngLeMgVzCEZrFJ0RzlO91CJ1LZost7ay-uoBZg7JVf0U2PEzMacPdTsdwb52BMJzNObSQw4JraXIxTb4qsJni1CUtrNyycq3qDlh5P8vM4jFuWIJf2DJ7AoF3Ggjrn4C4irv5l9c1TplCnnw', e: 'AQAB', d: 'EH6e_HFbN6W_2CiMlF3Jcj2pZiwYNQyguk19unqDhhqVFScuE17OmwJBdvmR_0zpmXZ5wPaSGFp7TrwAKZphI4zKfarJtEqHVlIo9U5P5NScGJ_WEtLXXtTX1UgaGuYspW3iQLeos5xwLdf_MGbqlerg9hWZlciJoVjQb1itKQcKfotsWXTqUFPnjKyOrMfu76PczVAclo5JXCaKNhs9vgWoHPH_9g_A40pCbzMXt5H_rN-WT_JouTmuiAhbXFJTQi-s3iJDxOss7yiRzTk9Hn7d25YwgVaZMGkYDDOG_apHRdbanKhSZdp17W-xnilJlXKyBoz1pVA1iDQ98ey6-Q', p: 'z6NcX6yGUYb3vYv74MFD0nVGg-1znn1n-ofoU-dcTbzIs_0dcY_VeFbahQkI5DBKXyl96ZN-ZDWOECfgz8clfe0IwU3N3KvJ7nu_SgVnjRBGjsjulgg4K_NeFl3J_ElCokQlg9sVoMfh7q1bQ2z38kTTpI-fQFYhouk2iQvZ_fc', q: 'vS_SQ-uXPbtChAhFedG2Q3HCKqsdCXejyJEg2IEGAIJcK3tSX0Rvmn3-EQVqCd2zlA9q5p-nvWWMe-vAAkWoAYulBUNUshxJPXIiHelNbOjt_cVFzRDFDSQxo9Fj7oNmFSi1jGYErIYDKmZ6f3DcrxrzQK1frdurMgyBowrrWZk', dp: 'U1Tet88HwSSHvNy3Y8Zsr8Q9Xqkno830swlkZngOBWzkp8fHz1HIfJlu7cFofhwbXQHL9LgrG5CayUUX5ouoMle1Ec9l9VBEpJ-pb82nd2e2yYs-pZv63zi25AcUD1pfkbwDyl1c2sAdnqqYXAEZqXOR9RNm-G0Y5sbuCiZlgJU', dq: 'ZaoXIiyuH5xLyEvxmd8aRPAS2X8OoZHLT_K9Zdsf8JIdGbixsURDfRALwfXY3-hlokEOv1Q4fczeS5GKoy3vdLUoPsXJ89TDfuOgddZzpv0dN2wVcHd8jO1QR6o0O24dI2228fW4uUVi2hwr4-Qwk2C2K6F_cxxCyShzWbx6cLE', qi: 'x6gbC54KjCDKtO0BjHV9kp3eGLNc39v-ANEHlW7exM-c4CR2M35nT2m-nJknUkKp72fhVx4n4yEBOSPSLQ7wX0IKJMEs2XT41iFMG_v2xnZBCTEuvIrlW3WLj0f9irTnt4KoOzlirXHW45bIAAhl4XNy7p4etKk2k99y4AFJOCg' };

const server = {
  issuer: 'https://login.example.com', authorization_endpoint: 'https://login.example.com/authorize', token_endpoint: 'https://login.example.com/token',
  jwks_uri: 'https://login.example.com/keys',
};
const client = { client_id: 'orders', id_token_signed_response_alg: 'RS256' };

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

async function idToken(key, claims) {
  const signed = [{ alg: 'RS256', kid: 'r' }, claims].map((part) => base64url(new TextEncoder().encode(JSON.stringify(part)))).join('.');
  return `${signed}.${base64url(await crypto.subtle.sign('RSASSA-PKCS1-v1_5', key, new TextEncoder().encode(signed)))}`;
}

export default () => output(async (print) => {
  const { d, p, q, dp, dq, qi, ...publicJwk } = RSA;
  const key = await crypto.subtle.importKey('jwk', RSA, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['sign']);
  print(await oauth.calculatePKCECodeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'), oauth.generateRandomState().length, oauth.generateRandomNonce().length);
  const callback = oauth.validateAuthResponse(server, client, new URL('https://orders.example.com/?code=c&state=s'), 's');
  print([...callback]);
  try { oauth.validateAuthResponse(server, client, new URL('https://orders.example.com/?code=c&state=other'), 's'); } catch (error) { print(error.code); }

  const requests = [];
  const answer = (body) => async (url, init) => {
    requests.push([`${url}`, init.method, Object.keys(Object.fromEntries(init.headers instanceof Headers ? init.headers : Object.entries(init.headers))).sort(), `${init.body ?? ''}`]);
    return Response.json(body);
  };
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: server.issuer, aud: 'orders', sub: 'ada', iat: now, exp: now + 300, nonce: 'n' };
  for (const [what, changed] of [['good', {}], ['another issuer', { iss: 'https://evil.example.com' }], ['expired', { exp: 1 }], ['another nonce', { nonce: 'm' }]]) {
    const tokens = { access_token: 'a', token_type: 'bearer', id_token: await idToken(key, { ...claims, ...changed }) };
    const response = await oauth.authorizationCodeGrantRequest(server, client, oauth.ClientSecretPost('secret'), callback, 'https://orders.example.com/', 'v'.repeat(43), { [oauth.customFetch]: answer(tokens) });
    try {
      const result = await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: 'n', requireIdToken: true });
      print(what, oauth.getValidatedIdTokenClaims(result).sub);
      await oauth.validateApplicationLevelSignature(server, response, { [oauth.customFetch]: answer({ keys: [{ ...publicJwk, kid: 'r', use: 'sig', alg: 'RS256' }] }) });
      print('the signature holds');
    } catch (error) {
      print(what, error.code ?? error.message);
    }
  }
  print(requests[0], requests.at(-1));
  // Proof of possession (RFC 9449), which signs with a key that is generated.
  const pair = await oauth.generateKeyPair('ES256');
  const handle = oauth.DPoP(client, pair);
  const response = await oauth.clientCredentialsGrantRequest(server, client, oauth.PrivateKeyJwt({ key, kid: 'r' }), {}, {
    DPoP: handle,
    [oauth.customFetch]: async (_, init) => {
      const form = new URLSearchParams(init.body);
      const decode = (part) => JSON.parse(atob(part.replaceAll('-', '+').replaceAll('_', '/')));
      const headers = new Headers(init.headers);
      print(form.get('client_assertion_type'), decode(form.get('client_assertion').split('.')[0]), Object.keys(decode(headers.get('dpop').split('.')[0])));
      return Response.json({ access_token: 'b', token_type: 'dpop' });
    },
  });
  print((await oauth.processClientCredentialsResponse(server, client, response)).token_type);
});
