import type { ExportedHandler, Handler } from '@belljar/sdk';
import { list, open, store } from './deliveries.ts';
import { isSigned } from './signature.ts';

// Packages are not encrypted: use a key that only this applet and its sender have, and change it when a package gets out.
const SECRET = 'change-me';

/** `POST /hook`: checks the signature over the raw body, and keeps what was delivered. */
export default {
  async fetch(request, { sdk }, { json, badRequest, unauthorized }) {
    const raw = await request.bytes();
    if (!(await isSigned(SECRET, request.headers.get('x-signature-256'), raw))) return unauthorized('the signature is missing or wrong');
    const id = request.headers.get('x-delivery-id');
    if (!id) return badRequest('X-Delivery-Id is needed');
    let event: unknown;
    try {
      event = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw));
    } catch {
      return badRequest('the body is not JSON');
    }

    await open(sdk);
    const isNew = await store(sdk, id, event);
    sdk.log.info(isNew ? 'stored' : 'duplicate', { delivery: id });
    return json({ status: isNew ? 'stored' : 'duplicate', delivery: id }, isNew ? 202 : 200);
  },
} satisfies ExportedHandler;

/** What was delivered, newest first. */
export const recent: Handler<{ limit?: number }> = async ({ sdk }, payload) => {
  await open(sdk);
  return list(sdk, Math.min(payload.limit ?? 10, 100));
};
