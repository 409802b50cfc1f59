// Lists of locales as callers give them (ECMA-402, 9.2.1), and the locale that an object uses (9.2.7 ResolveLocale).

import { arrayIndexOf, objectKeys, push, toLowerCase } from '../primordials.ts';
import { isObject } from '../webidl.ts';
import { ask, CANONICAL_LOCALE, negotiate } from './host.ts';
import { coerceOptions, readMatcher } from './options.ts';

/** Locales looked at in one list. */
const LIST_MAX = 100;

/** 9.2.1 CanonicalizeLocaleList. */
export function canonicalLocales(locales: unknown): string[] {
  if (locales === undefined) return [];
  const list = typeof locales === 'string' ? [locales] : locales;
  if (list === null) throw new TypeError('locales is a language tag or a list of them, not null');
  const items = Object(list) as Record<number, unknown> & { length: unknown };
  const length = Number(items.length);
  const seen: string[] = [];
  for (let i = 0; i < length; i++) {
    if (!(i in items)) continue;
    const item = items[i];
    if (typeof item !== 'string' && !isObject(item)) throw new TypeError('a locale is a text, such as "en-US"');
    const tag = ask(CANONICAL_LOCALE, '', `${item as string}`);
    if (arrayIndexOf(seen, tag) < 0) push(seen, tag);
    if (seen.length > LIST_MAX) throw new RangeError(`at most ${LIST_MAX} locales can be asked for at once`);
  }
  return seen;
}

/** What an object uses: the locale as it is told, the locale that data is looked up by, and the values of its keywords. */
export interface Resolved { readonly locale: string; readonly data: string; readonly values: Record<string, string | undefined> }

/** Keywords that an object looks at, each with what it takes: the option given, if it is one of these. */
export type Keywords = Record<string, { option: string | undefined; accepts: (value: string) => boolean }>;

export function resolveLocale(locales: unknown, keywords: Keywords): Resolved {
  return resolveTags(canonicalLocales(locales), keywords);
}

/** 9.2.7; `tags` are canonical. The extension keeps those keywords of the request that are used. */
export function resolveTags(tags: readonly string[], keywords: Keywords): Resolved {
  const chosen = negotiate(tags);
  const values: Record<string, string | undefined> = { __proto__: null } as never;
  let extension = '';
  const keys = objectKeys(keywords);
  for (let k = 0; k < keys.length; k++) {
    const key = keys[k] as string;
    const { option, accepts } = keywords[key] as Keywords[string];
    let value: string | undefined;
    for (let i = 0; i < chosen.keywords.length; i++) {
      const { 0: name, 1: text } = chosen.keywords[i] as [string, string];
      // A keyword without a value means "true" (UTS 35, 3.2.1).
      if (name === key && accepts(text === '' ? 'true' : text)) value = text === '' ? 'true' : text;
    }
    const wanted = option === undefined ? undefined : toLowerCase(option);
    if (wanted !== undefined && accepts(wanted) && wanted !== value) {
      values[key] = wanted;
    } else if (value !== undefined) {
      values[key] = value;
      extension += value === 'true' ? `-${key}` : `-${key}-${value}`;
    }
  }
  return { locale: extension === '' ? chosen.locale : `${chosen.locale}-u${extension}`, data: chosen.locale, values };
}

/** 9.2.9 SupportedLocales. */
export function supportedLocales(locales: unknown, options: unknown): string[] {
  const tags = canonicalLocales(locales);
  if (options !== undefined) readMatcher(coerceOptions(options));
  const supported: string[] = [];
  const answered = negotiate(tags).supported;
  for (let i = 0; i < answered.length; i++) push(supported, answered[i] as string);
  return supported;
}
