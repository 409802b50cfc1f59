import type { ExportedHandler } from '@belljar/sdk';
import config from '../config.json';
import { InvalidToken, verify } from './token.ts';

const BEARER = /^Bearer ([\w-]+\.[\w-]*\.[\w-]+)$/i;

/** RFC 6750, 3: what was wrong with a token is told in the header. */
function unauthorized(error?: InvalidToken): Response {
  const challenge = error === undefined ? 'Bearer' : `Bearer error="invalid_token", error_description="${error.message}"`;
  return Response.json({ error: error?.message ?? 'a bearer token is needed' }, { status: 401, headers: { 'www-authenticate': challenge } });
}

export default {
  async fetch(request, { sdk }) {
    const token = BEARER.exec(request.headers.get('authorization') ?? '')?.[1];
    if (token === undefined) return unauthorized();
    try {
      const claims = await verify(token, config);
      return Response.json({ subject: claims.sub, path: new URL(request.url).pathname });
    } catch (error) {
      if (!(error instanceof InvalidToken)) throw error;
      sdk.log.warn('refused', { reason: error.message });
      return unauthorized(error);
    }
  },
} satisfies ExportedHandler;
