import type { ExportedHandler, Handler } from '@belljar/sdk';
import config from '../config.json';
import { list, markForwarded, open, receive } from './deliveries.ts';
import { isSigned } from './signature.ts';
import { repositoryOf, summarise } from './summary.ts';

const HEADER_CHARS_MAX = 100;

export default {
  async fetch(request, { sdk }, { json, unauthorized, badRequest }) {
    // The signature is over the bytes as they came: they are read once and parsed only after that.
    const raw = await request.bytes();
    if (!(await isSigned(config.webhookSecret, request.headers.get('x-hub-signature-256'), raw))) {
      sdk.log.warn('refused: the signature is missing or wrong', { bytes: raw.length });
      return unauthorized('the signature is missing or wrong');
    }
    const id = request.headers.get('x-github-delivery');
    const event = request.headers.get('x-github-event');
    if (!id || !event || id.length > HEADER_CHARS_MAX || event.length > HEADER_CHARS_MAX) {
      return badRequest('X-GitHub-Delivery and X-GitHub-Event are needed');
    }
    let body: unknown;
    try {
      body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw));
    } catch {
      return badRequest('the body is not JSON');
    }

    const delivery = { id, event, repository: repositoryOf(body), summary: summarise(event, body) };
    await open(sdk);
    if (!(await receive(sdk, delivery))) {
      sdk.log.info('duplicate', { delivery: id });
      return json({ status: 'duplicate', delivery: id });
    }

    try {
      const { repository, summary } = delivery;
      const reply = await sdk.http.post(config.forwardUrl, { text: `[${repository}] ${summary}`, delivery: id });
      if (!reply.ok) throw new Error(`it answered ${reply.status}`);
    } catch (error) {
      sdk.log.error('the delivery is kept, but could not be forwarded', { delivery: id, error: String(error) });
      return json({ status: 'not forwarded', delivery: id }, 502);
    }
    await markForwarded(sdk, id);
    sdk.log.info('accepted', { delivery: id, event });
    return json({ status: 'accepted', delivery: id }, 202);
  },
} satisfies ExportedHandler;

/** What was stored, newest first. */
export const deliveries: Handler = async ({ sdk }) => {
  await open(sdk);
  return list(sdk);
};
