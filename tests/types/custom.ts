// Capabilities of an embedder's own, as it ships their types (guest-js/sdk/index.d.ts says how).

import type { Context, Sdk } from '@belljar/sdk';

declare module '@belljar/sdk' {
  interface Sdk {
    readonly greet: { hello(who: { name: string }): Promise<{ text: string }> };
  }
}

export async function polite({ sdk: own }: Context): Promise<string> {
  const { text } = await own.greet.hello({ name: 'Ada' });
  const same: Sdk = own;
  void (await sdk.greet.hello({ name: 'Ada' })).text;
  // @ts-expect-error the argument has a name
  void same.greet.hello({});
  // @ts-expect-error there is no such function
  void same.greet.helo;
  // @ts-expect-error nobody has declared it
  void same.mail;
  return text;
}
