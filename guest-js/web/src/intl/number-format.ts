// Intl.NumberFormat (ECMA-402, 16).

import { once } from '../lazy.ts';
import { assign, defineProperty, indexOf, jsonStringify, matches, slice, split, toUpperCase } from '../primordials.ts';
import { mathematicalValue, readDigits, type Digits } from './digits.ts';
import { ask, askJson, NUMBER, NUMBER_PARTS, RESOLVE_NUMBER, SUPPORTED_VALUES } from './host.ts';
import { canonicalLocales, resolveTags } from './locale.ts';
import { coerceOptions, readMatcher, stringOption, typeOption, type Options } from './options.ts';
import { notHere, partsOf, service } from './service.ts';
import { isNumberingSystem } from './values.ts';

interface Settings {
  style: string; currency?: string | undefined; currencyDisplay?: string | undefined; currencySign?: string | undefined; unit?: string | undefined;
  unitDisplay?: string | undefined; notation: string; compactDisplay?: string | undefined; useGrouping: string; signDisplay: string;
}
export interface NumberState {
  locale: string; numberingSystem: string; settings: Settings; digits: Digits; recipe: string; bound?: (value: unknown) => string;
}

const CURRENCY = /^[a-z]{3}$/i;
/** ECMA-402, table 2; what there is no data for, the host says. */
const UNITS = ' acre bit byte celsius centimeter day degree fahrenheit fluid-ounce foot gallon gigabit gigabyte gram hectare hour inch kilobit '
  + 'kilobyte kilogram kilometer liter megabit megabyte meter microsecond mile mile-scandinavian milliliter millimeter millisecond minute month '
  + 'nanosecond ounce percent petabyte pound second stone terabit terabyte week yard year ';

const NAME = /^[a-z-]+$/;

function isSimpleUnit(unit: string): boolean { return matches(NAME, unit) && indexOf(UNITS, ` ${unit} `) >= 0; }

/** 6.6.1 IsWellFormedUnitIdentifier. */
function isUnit(unit: string): boolean {
  const per = indexOf(unit, '-per-');
  return isSimpleUnit(unit) || (per > 0 && isSimpleUnit(slice(unit, 0, per)) && isSimpleUnit(slice(unit, per + 5)));
}

/** 16.1.2 SetNumberFormatUnitOptions. */
function readStyle(options: Options): Settings {
  const style = stringOption(options, 'style', ['decimal', 'percent', 'currency', 'unit'], 'decimal');
  const currency = stringOption(options, 'currency', undefined);
  if (currency === undefined && style === 'currency') throw new TypeError('Currency code is required with currency style.');
  if (currency !== undefined && !matches(CURRENCY, currency)) throw new RangeError(`Invalid currency code : ${currency}`);
  const currencyDisplay = stringOption(options, 'currencyDisplay', ['code', 'symbol', 'narrowSymbol', 'name'], 'symbol');
  const currencySign = stringOption(options, 'currencySign', ['standard', 'accounting'], 'standard');
  const unit = stringOption(options, 'unit', undefined);
  if (unit === undefined && style === 'unit') throw new TypeError('Required unit is missing: style "unit" goes with the option unit.');
  if (unit !== undefined && !isUnit(unit)) throw new RangeError(`Invalid unit argument for Intl.NumberFormat() '${unit}'`);
  const unitDisplay = stringOption(options, 'unitDisplay', ['short', 'narrow', 'long'], 'short');
  const settings: Settings = { style, notation: 'standard', useGrouping: 'auto', signDisplay: 'auto' };
  if (style === 'currency') assign(settings, { currency: toUpperCase(currency as string), currencyDisplay, currencySign });
  if (style === 'unit') assign(settings, { unit, unitDisplay });
  return settings;
}

/** 9.2.13 GetBooleanOrStringNumberFormatOption. */
function readGrouping(options: Options, fallback: string): string {
  const value = options['useGrouping'];
  if (value === undefined) return fallback;
  if (value === true) return 'always';
  if (!value) return 'never';
  const text = `${value as string}`;
  if (text === 'true' || text === 'false') return fallback;
  return stringOption({ useGrouping: text }, 'useGrouping', ['min2', 'auto', 'always'], fallback);
}

export function createNumberFormat(locales: unknown, given: unknown): NumberState {
  const tags = canonicalLocales(locales);
  const options = coerceOptions(given);
  readMatcher(options);
  const numberingSystem = typeOption(options, 'numberingSystem');
  const resolved = resolveTags(tags, { nu: { option: numberingSystem, accepts: isNumberingSystem } });
  const settings = readStyle(options);
  settings.notation = stringOption(options, 'notation', ['standard', 'scientific', 'engineering', 'compact'], 'standard');
  const compact = settings.notation === 'compact';
  const isCurrency = settings.style === 'currency' && settings.notation === 'standard';
  const usual = isCurrency ? askJson<number>(SUPPORTED_VALUES, '', `currencyDigits:${settings.currency as string}`) : 0;
  const digits = readDigits(options, usual, isCurrency ? usual : settings.style === 'percent' ? 0 : 3, compact);
  const compactDisplay = stringOption(options, 'compactDisplay', ['short', 'long'], 'short');
  if (compact) settings.compactDisplay = compactDisplay;
  settings.useGrouping = readGrouping(options, compact ? 'min2' : 'auto');
  settings.signDisplay = stringOption(options, 'signDisplay', ['auto', 'never', 'always', 'exceptZero', 'negative'], 'auto');
  const recipe = jsonStringify({ locale: resolved.data, numberingSystem: resolved.values['nu'], ...settings, digits });
  const answer = askJson<{ numberingSystem: string }>(RESOLVE_NUMBER, recipe, '');
  return { locale: resolved.locale, numberingSystem: answer.numberingSystem, settings, digits, recipe };
}

export function formatNumber(state: NumberState, value: unknown): string { return ask(NUMBER, state.recipe, mathematicalValue(value)); }

export const numberFormat = once(() => service<NumberState>({
  name: 'NumberFormat', callable: true, create: createNumberFormat,
  members: (state) => ({
    get format(): (value: unknown) => string {
      const self = state(this, 'format');
      if (self.bound === undefined) {
        self.bound = (value) => formatNumber(self, value);
        defineProperty(self.bound, 'name', { value: '', configurable: true });
      }
      return self.bound;
    },
    formatToParts(value: unknown) { return partsOf(askJson(NUMBER_PARTS, state(this, 'formatToParts').recipe, mathematicalValue(value))); },
    formatRange(_start: unknown, _end: unknown) { throw notHere('Intl.NumberFormat.prototype.formatRange'); },
    formatRangeToParts(_start: unknown, _end: unknown) { throw notHere('Intl.NumberFormat.prototype.formatRangeToParts'); },
    resolvedOptions() {
      const { locale, numberingSystem, settings, digits } = state(this, 'resolvedOptions');
      const options: Record<string, unknown> = { locale, numberingSystem };
      const add = (from: object, names: string): void => {
        const list = split(names, ' ');
        for (let i = 0; i < list.length; i++) {
          const name = list[i] as string;
          const value = (from as Record<string, unknown>)[name];
          if (value !== undefined) options[name] = value;
        }
      };
      add(settings, 'style currency currencyDisplay currencySign unit unitDisplay');
      add(digits, 'minimumIntegerDigits minimumFractionDigits maximumFractionDigits minimumSignificantDigits maximumSignificantDigits');
      options['useGrouping'] = settings.useGrouping === 'never' ? false : settings.useGrouping;
      add(settings, 'notation compactDisplay signDisplay');
      add(digits, 'roundingIncrement roundingMode roundingPriority trailingZeroDisplay');
      return options;
    },
  }),
}));
