// Intl.Collator (ECMA-402, 10).

import { native } from '../native.ts';
import { once } from '../lazy.ts';
import { arrayIndexOf, defineProperty, jsonStringify } from '../primordials.ts';
import { domString } from '../webidl.ts';
import { askJson, RESOLVE_COLLATOR } from './host.ts';
import { canonicalLocales, resolveTags } from './locale.ts';
import { booleanOption, coerceOptions, readMatcher, stringOption, typeOption } from './options.ts';
import { service } from './service.ts';
import { supportedValuesOf } from './values.ts';

export interface CollatorState {
  locale: string; usage: string; sensitivity: string; ignorePunctuation: boolean; collation: string; numeric: boolean; caseFirst: string;
  recipe: string;
  bound?: (left: unknown, right: unknown) => number;
}

let collations: string[] | undefined;

export function createCollator(locales: unknown, given: unknown): CollatorState {
  const tags = canonicalLocales(locales);
  const options = coerceOptions(given);
  const usage = stringOption(options, 'usage', ['sort', 'search'], 'sort');
  readMatcher(options);
  const collation = typeOption(options, 'collation');
  const numeric = booleanOption(options, 'numeric');
  const caseFirst = stringOption(options, 'caseFirst', ['upper', 'lower', 'false']);
  const { locale, data, values } = resolveTags(tags, {
    // "standard" and "search" cannot be asked for (10.2.3).
    co: { option: collation, accepts: (value) => arrayIndexOf((collations ??= supportedValuesOf('collation')), value) >= 0 },
    kn: { option: numeric === undefined ? undefined : `${numeric}`, accepts: (value) => value === 'true' || value === 'false' },
    kf: { option: caseFirst, accepts: (value) => value === 'upper' || value === 'lower' || value === 'false' },
  });
  const sensitivity = stringOption(options, 'sensitivity', ['base', 'accent', 'case', 'variant'], 'variant');
  const ignore = booleanOption(options, 'ignorePunctuation');
  const isNumeric = values['kn'] === 'true';
  const recipe = jsonStringify({
    locale: data, usage, collation: values['co'], sensitivity, ignorePunctuation: ignore, numeric: isNumeric, caseFirst: values['kf'],
  });
  const answer = askJson<{ ignorePunctuation: boolean; caseFirst: string }>(RESOLVE_COLLATOR, recipe, '');
  return {
    locale, usage, sensitivity, ignorePunctuation: answer.ignorePunctuation, collation: values['co'] ?? 'default', numeric: isNumeric,
    caseFirst: answer.caseFirst, recipe,
  };
}

export function compareTexts(state: CollatorState, left: unknown, right: unknown): number {
  const a = domString(left);
  const b = domString(right);
  return a === b ? 0 : native.intlCompare(state.recipe, a, b);
}

export const collator = once(() => service<CollatorState>({
  name: 'Collator', callable: true, create: createCollator,
  members: (state) => ({
    get compare(): (left: unknown, right: unknown) => number {
      const self = state(this, 'compare');
      if (self.bound === undefined) {
        self.bound = (left, right) => compareTexts(self, left, right);
        defineProperty(self.bound, 'name', { value: '', configurable: true });
      }
      return self.bound;
    },
    resolvedOptions() {
      const { locale, usage, sensitivity, ignorePunctuation, collation, numeric, caseFirst } = state(this, 'resolvedOptions');
      return { locale, usage, sensitivity, ignorePunctuation, collation, numeric, caseFirst };
    },
  }),
}));
