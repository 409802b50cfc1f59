// Intl.ListFormat (ECMA-402, 14).

import { once, sequence } from '../lazy.ts';
import { jsonStringify } from '../primordials.ts';
import { ask, askJson, LIST, LIST_PARTS } from './host.ts';
import { canonicalLocales, resolveTags } from './locale.ts';
import { optionsObject, readMatcher, stringOption } from './options.ts';
import { partsOf, service } from './service.ts';

interface State { locale: string; type: string; style: string; recipe: string }

function create(locales: unknown, given: unknown): State {
  const tags = canonicalLocales(locales);
  const options = optionsObject(given);
  readMatcher(options);
  const { locale, data } = resolveTags(tags, {});
  const type = stringOption(options, 'type', ['conjunction', 'disjunction', 'unit'], 'conjunction');
  const style = stringOption(options, 'style', ['long', 'short', 'narrow'], 'long');
  return { locale, type, style, recipe: jsonStringify({ locale: data, type, style }) };
}

/** 14.5.5 StringListFromIterable. */
function texts(list: unknown): string {
  if (list === undefined) return '[]';
  const items = typeof list === 'string' ? [...list] : sequence(list, 'the list');
  for (let i = 0; i < items.length; i++) if (typeof items[i] !== 'string') throw new TypeError('the list must hold texts only');
  return jsonStringify(items);
}

export const listFormat = once(() => service<State>({
  name: 'ListFormat', create,
  members: (state) => ({
    format(list: unknown) {
      const { recipe } = state(this, 'format');
      return ask(LIST, recipe, texts(list));
    },
    formatToParts(list: unknown) {
      const { recipe } = state(this, 'formatToParts');
      return partsOf(askJson(LIST_PARTS, recipe, texts(list)));
    },
    resolvedOptions() {
      const { locale, type, style } = state(this, 'resolvedOptions');
      return { locale, type, style };
    },
  }),
}));
