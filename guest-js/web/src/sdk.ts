// The `sdk` object: a typed façade over the capabilities. Frozen, so that one module of an applet cannot change it for another. What it does not
// have itself is looked for among the capabilities of the embedder's own.

import { assign, create, freeze, setPrototypeOf } from './primordials.ts';
import { SdkError } from './sdk-error.ts';
import { config } from './sdk/config.ts';
import { crypto } from './sdk/crypto.ts';
import { customCapabilities } from './sdk/custom.ts';
import { db } from './sdk/db.ts';
import { events } from './sdk/events.ts';
import { http } from './sdk/http.ts';
import { jobs } from './sdk/jobs.ts';
import { kv } from './sdk/kv.ts';
import { log } from './sdk/log.ts';
import { secrets } from './sdk/secrets.ts';

freeze(SdkError);
freeze(SdkError.prototype);

export const sdk = freeze(assign(create(customCapabilities) as object, { db, http, kv, secrets, config, events, jobs, log, crypto, SdkError }));

/** The parts a program was granted; undefined when there are none. */
export function restricted(grants: readonly string[], hasCustom: boolean): Readonly<Partial<typeof sdk>> | undefined {
  const parts: { -readonly [K in keyof typeof sdk]?: (typeof sdk)[K] } = {};
  let any = hasCustom;
  for (let i = 0; i < grants.length; i++) {
    if (grants[i] === 'db') parts.db = db;
    else if (grants[i] === 'http') parts.http = http;
    else if (grants[i] === 'kv') parts.kv = kv;
    else if (grants[i] === 'log') parts.log = log;
    else continue;
    any = true;
  }
  if (!any) return undefined;
  parts.crypto = crypto;
  parts.SdkError = SdkError;
  if (hasCustom) setPrototypeOf(parts, customCapabilities);
  return freeze(parts);
}
