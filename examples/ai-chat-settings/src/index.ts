// A chat whose settings belong to the tenant, and whose key nobody sees: neither callers, nor this applet, nor its log.

import type { Context, HttpHandler } from '@belljar/sdk';
import { ask } from './model.ts';
import { changed, load, save } from './settings.ts';

const MESSAGE_CHARS_MAX = 2_000;

/** `GET /settings`: what is set, and whether there is a key. */
export const settings: HttpHandler = async ({ sdk }) => ({ ...(await load(sdk)), hasKey: true });

/** `PUT /settings` with some of the settings; all of them, or none, are taken over. */
export const change: HttpHandler = async (context) => {
  const wanted = await jsonIn(context);
  const result = changed(await load(context.sdk), wanted);
  if ('problems' in result) return context.json({ error: { code: 'invalid_settings', message: 'nothing was changed', details: result.problems } }, 422);
  await save(context.sdk, result.settings);
  context.sdk.log.info('settings changed', { by: context.user ?? 'nobody' });
  return { ...result.settings, hasKey: true };
};

/** `POST /widget/chat` with `{ "message" }`: the model's answer. */
export const chat: HttpHandler = async (context) => {
  const { message } = ((await jsonIn(context)) ?? {}) as { message?: unknown };
  if (typeof message !== 'string' || message.trim() === '' || message.length > MESSAGE_CHARS_MAX) {
    return context.badRequest(`message is a text of 1 to ${MESSAGE_CHARS_MAX} characters`);
  }
  const current = await load(context.sdk);
  if (!current.enabled) return context.forbidden('the chat is switched off');
  const answer = await ask(context, current, message);
  return answer === undefined ? context.json({ error: { code: 'model_unavailable', message: 'try again later' } }, 502) : { answer };
};

async function jsonIn({ request }: Context & { readonly request: Request }): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    return undefined;
  }
}
