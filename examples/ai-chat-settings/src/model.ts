// The model, somewhere else.

import type { Context } from '@belljar/sdk';
import type { Settings } from './settings.ts';

/** The model's answer; undefined when it has none. Why is in the log, not told to the public. */
export async function ask({ sdk, config }: Context, { temperature, instructions }: Settings, message: string): Promise<string | undefined> {
  // A stand-in: the host puts the key in its place on the way out, to the hosts the manifest binds it to and nowhere else.
  const key = await sdk.secrets.get('MODEL_KEY');
  const body = { temperature, messages: [{ role: 'system', content: instructions }, { role: 'user', content: message }] };
  try {
    const reply = await sdk.http.post(String(config.MODEL_URL), body, { headers: { authorization: `Bearer ${key}` }, timeoutMs: 20_000 });
    if (!reply.ok) throw new Error(`the model answered ${reply.status}`);
    const { answer } = (await reply.json()) as { answer?: unknown };
    if (typeof answer !== 'string') throw new Error('the model answered without an answer');
    return answer;
  } catch (error) {
    sdk.log.error('the model could not be asked', { error: String(error) });
    return undefined;
  }
}
