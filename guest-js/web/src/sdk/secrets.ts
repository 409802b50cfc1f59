// sdk.secrets: texts that the tenant keeps. What is bound to hosts is a placeholder here, which only the host can fill.

import type { Outcome } from '../bindings.ts';
import { native } from '../native.ts';
import { operate, unexpected } from '../operations.ts';
import { freeze } from '../primordials.ts';
import { text } from './options.ts';

function toText(outcome: Outcome): string | undefined { return outcome.kind === 'text' ? outcome.text : unexpected(outcome); }

export const secrets = freeze({
  get: (name: unknown): Promise<string | undefined> => operate(() => native.secretGet(text(name, 'the name')), toText),
});
