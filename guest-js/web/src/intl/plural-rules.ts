// Intl.PluralRules (ECMA-402, 17).

import { once } from '../lazy.ts';
import { copyArray, jsonStringify } from '../primordials.ts';
import { numberText, readDigits, type Digits } from './digits.ts';
import { ask, askJson, PLURAL, PLURAL_RANGE, RESOLVE_PLURAL } from './host.ts';
import { canonicalLocales, resolveTags } from './locale.ts';
import { coerceOptions, readMatcher, stringOption } from './options.ts';
import { service } from './service.ts';

interface State { locale: string; type: string; digits: Digits; categories: string[]; recipe: string }

function create(locales: unknown, given: unknown): State {
  const tags = canonicalLocales(locales);
  const options = coerceOptions(given);
  readMatcher(options);
  const type = stringOption(options, 'type', ['cardinal', 'ordinal'], 'cardinal');
  const digits = readDigits(options, 0, 3, false);
  const { locale, data } = resolveTags(tags, {});
  const recipe = jsonStringify({ locale: data, type, digits });
  const { pluralCategories } = askJson<{ pluralCategories: string[] }>(RESOLVE_PLURAL, recipe, '');
  return { locale, type, digits, categories: pluralCategories, recipe };
}

export const pluralRules = once(() => service<State>({
  name: 'PluralRules', create,
  members: (state) => ({
    select(value: unknown) { return ask(PLURAL, state(this, 'select').recipe, numberText(Number(value))); },
    selectRange(start: unknown, end: unknown) {
      const { recipe } = state(this, 'selectRange');
      if (start === undefined || end === undefined) throw new TypeError('selectRange takes two numbers');
      const from = Number(start);
      const to = Number(end);
      if (from !== from || to !== to) throw new RangeError('selectRange takes two numbers, not NaN');
      return ask(PLURAL_RANGE, recipe, jsonStringify([numberText(from), numberText(to)]));
    },
    resolvedOptions() {
      const { locale, type, digits, categories } = state(this, 'resolvedOptions');
      const { roundingIncrement, roundingMode, roundingPriority, trailingZeroDisplay, minimumIntegerDigits, ...rest } = digits;
      const own = { minimumIntegerDigits, ...rest };
      const rounding = { roundingIncrement, roundingMode, roundingPriority, trailingZeroDisplay };
      return { locale, type, ...own, pluralCategories: copyArray(categories), ...rounding };
    },
  }),
}));
