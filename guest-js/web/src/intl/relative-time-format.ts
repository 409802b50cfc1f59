// Intl.RelativeTimeFormat (ECMA-402, 18).

import { once } from '../lazy.ts';
import { arrayIndexOf, jsonStringify, slice } from '../primordials.ts';
import { domString } from '../webidl.ts';
import { numberText } from './digits.ts';
import { ask, askJson, RELATIVE_TIME, RELATIVE_TIME_PARTS, RESOLVE_NUMBER } from './host.ts';
import { canonicalLocales, resolveTags } from './locale.ts';
import { coerceOptions, readMatcher, stringOption, typeOption } from './options.ts';
import { partsOf, service } from './service.ts';
import { isNumberingSystem } from './values.ts';

interface State { locale: string; data: string; style: string; numeric: string; numberingSystem: string; nu: string | undefined }

const UNITS = ['second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'];
/** A recipe of a plain number, to learn the locale's numbering system. */
const PLAIN = {
  style: 'decimal', notation: 'standard', useGrouping: 'auto', signDisplay: 'auto',
  digits: {
    minimumIntegerDigits: 1, minimumFractionDigits: 0, maximumFractionDigits: 3, roundingIncrement: 1, roundingMode: 'halfExpand',
    roundingPriority: 'auto', trailingZeroDisplay: 'auto',
  },
};

function create(locales: unknown, given: unknown): State {
  const tags = canonicalLocales(locales);
  const options = coerceOptions(given);
  readMatcher(options);
  const numberingSystem = typeOption(options, 'numberingSystem');
  const { locale, data, values } = resolveTags(tags, { nu: { option: numberingSystem, accepts: isNumberingSystem } });
  const style = stringOption(options, 'style', ['long', 'short', 'narrow'], 'long');
  const numeric = stringOption(options, 'numeric', ['always', 'auto'], 'always');
  const nu = values['nu'];
  const answer = askJson<{ numberingSystem: string }>(RESOLVE_NUMBER, jsonStringify({ locale: data, numberingSystem: nu, ...PLAIN }), '');
  return { locale, data, style, numeric, numberingSystem: answer.numberingSystem, nu };
}

function singular(unit: unknown): string {
  const text = domString(unit);
  const name = text[text.length - 1] === 's' ? slice(text, 0, -1) : text;
  if (arrayIndexOf(UNITS, name) < 0) throw new RangeError(`Invalid unit argument for format() '${text}'`);
  return name;
}

function finite(value: unknown): string {
  const number = Number(value);
  if (number - number !== 0) throw new RangeError('the value must be finite');
  return numberText(number);
}

export const relativeTimeFormat = once(() => {
  const recipe = ({ data, nu, style, numeric }: State, unit: string): string =>
    jsonStringify({ locale: data, numberingSystem: nu, style, numeric, unit });
  return service<State>({
    name: 'RelativeTimeFormat', create,
    members: (state) => ({
      format(value: unknown, unit: unknown) {
        const self = state(this, 'format');
        const text = finite(value);
        return ask(RELATIVE_TIME, recipe(self, singular(unit)), text);
      },
      formatToParts(value: unknown, unit: unknown) {
        const self = state(this, 'formatToParts');
        const text = finite(value);
        const name = singular(unit);
        const parts = partsOf(askJson(RELATIVE_TIME_PARTS, recipe(self, name), text)) as { type: string; value: string; unit?: string }[];
        for (let i = 0; i < parts.length; i++) {
          const part = parts[i] as (typeof parts)[number];
          if (part.type !== 'literal') part.unit = name;
        }
        return parts;
      },
      resolvedOptions() {
        const { locale, style, numeric, numberingSystem } = state(this, 'resolvedOptions');
        return { locale, style, numeric, numberingSystem };
      },
    }),
  });
});
