// Intl.DateTimeFormat (ECMA-402, 11). The calendar is the Gregorian one, the default time zone UTC.

import { once } from '../lazy.ts';
import { arrayIndexOf, assign, defineProperty, jsonStringify } from '../primordials.ts';
import { domString } from '../webidl.ts';
import { ask, askJson, DATE, DATE_PARTS, DATE_RANGE, DATE_RANGE_PARTS, RESOLVE_DATE } from './host.ts';
import { canonicalLocales, resolveTags } from './locale.ts';
import { booleanOption, coerceOptions, numberOption, readMatcher, stringOption, typeOption } from './options.ts';
import { partsOf, service, toPrimitive } from './service.ts';
import { isCalendar, isNumberingSystem } from './values.ts';

/** 11.1.2, table 16, in its order. */
const TEXT = ['narrow', 'short', 'long'];
const DIGITS = ['2-digit', 'numeric'];
const FIELDS: readonly (readonly [string, readonly string[]])[] = [
  ['weekday', TEXT], ['era', TEXT], ['year', DIGITS], ['month', ['2-digit', 'numeric', 'narrow', 'short', 'long']], ['day', DIGITS],
  ['dayPeriod', TEXT], ['hour', DIGITS], ['minute', DIGITS], ['second', DIGITS], ['fractionalSecondDigits', []],
  ['timeZoneName', ['short', 'long', 'shortOffset', 'longOffset', 'shortGeneric', 'longGeneric']],
];
const STYLES = ['full', 'long', 'medium', 'short'];
const CYCLES = ['h11', 'h12', 'h23', 'h24'];

type Fields = Record<string, string | number | undefined>;
export interface DateState {
  locale: string; calendar: string; numberingSystem: string; timeZone: string; hourCycle: string | undefined; fields: Fields;
  dateStyle: string | undefined; timeStyle: string | undefined; recipe: string; bound?: (date: unknown) => string;
}
/** Which fields must be there, and which are added when none is. */
export type Required = 'date' | 'time' | 'any';
export type Defaults = 'date' | 'time' | 'all';

function some(fields: Fields, names: readonly string[]): boolean {
  for (let i = 0; i < names.length; i++) if (fields[names[i] as string] !== undefined) return true;
  return false;
}
function numeric(fields: Fields, names: readonly string[]): void { for (let i = 0; i < names.length; i++) fields[names[i] as string] = 'numeric'; }

export function createDateTimeFormat(locales: unknown, given: unknown, required: Required = 'any', defaults: Defaults = 'date'): DateState {
  const tags = canonicalLocales(locales);
  const options = coerceOptions(given);
  readMatcher(options);
  const calendar = typeOption(options, 'calendar');
  const numberingSystem = typeOption(options, 'numberingSystem');
  const hour12 = booleanOption(options, 'hour12');
  const hourCycle = stringOption(options, 'hourCycle', CYCLES);
  const resolved = resolveTags(tags, {
    ca: { option: calendar, accepts: isCalendar },
    hc: { option: hour12 === undefined ? hourCycle : undefined, accepts: (value) => hour12 === undefined && arrayIndexOf(CYCLES, value) >= 0 },
    nu: { option: numberingSystem, accepts: isNumberingSystem },
  });
  const zone = options['timeZone'];
  const timeZone = zone === undefined ? 'UTC' : domString(zone);
  const fields: Fields = { __proto__: null } as never;
  for (let i = 0; i < FIELDS.length; i++) {
    const { 0: name, 1: values } = FIELDS[i] as (typeof FIELDS)[number];
    fields[name] = name === 'fractionalSecondDigits' ? numberOption(options, name, 1, 3) : stringOption(options, name, values);
  }
  stringOption(options, 'formatMatcher', ['basic', 'best fit'], 'best fit');
  const dateStyle = stringOption(options, 'dateStyle', STYLES);
  const timeStyle = stringOption(options, 'timeStyle', STYLES);
  if (dateStyle !== undefined || timeStyle !== undefined) {
    for (let i = 0; i < FIELDS.length; i++) {
      const name = (FIELDS[i] as (typeof FIELDS)[number])[0];
      if (fields[name] !== undefined) {
        throw new TypeError(`Can't set option ${name} when ${dateStyle === undefined ? 'timeStyle' : 'dateStyle'} is used`);
      }
    }
    if (required === 'date' && timeStyle !== undefined) throw new TypeError('Invalid option : timeStyle');
    if (required === 'time' && dateStyle !== undefined) throw new TypeError('Invalid option : dateStyle');
  } else {
    const given = (required !== 'time' && some(fields, ['weekday', 'year', 'month', 'day']))
      || (required !== 'date' && some(fields, ['dayPeriod', 'hour', 'minute', 'second', 'fractionalSecondDigits']));
    if (!given && defaults !== 'time') numeric(fields, ['year', 'month', 'day']);
    if (!given && defaults !== 'date') numeric(fields, ['hour', 'minute', 'second']);
  }
  const cycle = hour12 === undefined ? resolved.values['hc'] : hour12 ? 'h12' : 'h23';
  const recipe = jsonStringify({
    locale: resolved.data, numberingSystem: resolved.values['nu'], hourCycle: cycle, timeZone, dateStyle, timeStyle, ...fields,
  });
  const answer = askJson<{ numberingSystem: string; timeZone: string; hourCycle: string | null; hour: string | null }>(RESOLVE_DATE, recipe, '');
  // 11.3.7: widths are told as the locale's pattern has them.
  if (fields['hour'] !== undefined) fields['hour'] = answer.hour ?? fields['hour'];
  // Beside an hour, minutes and seconds have two digits, whatever was asked.
  if (fields['hour'] !== undefined || (fields['minute'] !== undefined && fields['second'] !== undefined)) {
    if (fields['minute'] !== undefined) fields['minute'] = '2-digit';
    if (fields['second'] !== undefined) fields['second'] = '2-digit';
  }
  return {
    locale: resolved.locale, calendar: resolved.values['ca'] ?? 'gregory', numberingSystem: answer.numberingSystem, timeZone: answer.timeZone,
    hourCycle: answer.hourCycle ?? undefined, fields, dateStyle, timeStyle, recipe,
  };
}

const now = Date.now;

/** 11.5.4 to 11.5.6: the time value of an argument. */
function timeValue(date: unknown): string {
  const time = date === undefined ? now() : Number(toPrimitive(date));
  if (!(time >= -8.64e15 && time <= 8.64e15)) throw new RangeError('Invalid time value');
  return `${time}`;
}

export function formatDate(state: DateState, date: unknown): string { return ask(DATE, state.recipe, timeValue(date)); }

function range(start: unknown, end: unknown): string {
  if (start === undefined || end === undefined) throw new TypeError('a range has two dates');
  const from = timeValue(start);
  return jsonStringify([from, timeValue(end)]);
}

export const dateTimeFormat = once(() => service<DateState>({
  name: 'DateTimeFormat', callable: true, create: createDateTimeFormat,
  members: (state) => ({
    get format(): (date: unknown) => string {
      const self = state(this, 'format');
      if (self.bound === undefined) {
        self.bound = (date) => formatDate(self, date);
        defineProperty(self.bound, 'name', { value: '', configurable: true });
      }
      return self.bound;
    },
    formatToParts(date: unknown) {
      const { recipe } = state(this, 'formatToParts');
      return partsOf(askJson(DATE_PARTS, recipe, timeValue(date)));
    },
    formatRange(start: unknown, end: unknown) {
      const { recipe } = state(this, 'formatRange');
      return ask(DATE_RANGE, recipe, range(start, end));
    },
    formatRangeToParts(start: unknown, end: unknown) {
      const { recipe } = state(this, 'formatRangeToParts');
      const list = askJson<[string, string, string][]>(DATE_RANGE_PARTS, recipe, range(start, end));
      const parts: { type: string; value: string; source: string }[] = [];
      for (let i = 0; i < list.length; i++) {
        const { 0: type, 1: value, 2: source } = list[i] as [string, string, string];
        parts[i] = { type, value, source };
      }
      return parts;
    },
    resolvedOptions() {
      const { locale, calendar, numberingSystem, timeZone, hourCycle, fields, dateStyle, timeStyle } = state(this, 'resolvedOptions');
      const options: Record<string, unknown> = { locale, calendar, numberingSystem, timeZone };
      if (hourCycle !== undefined) assign(options, { hourCycle, hour12: hourCycle === 'h11' || hourCycle === 'h12' });
      for (let i = 0; i < FIELDS.length; i++) {
        const name = (FIELDS[i] as (typeof FIELDS)[number])[0];
        if (fields[name] !== undefined) options[name] = fields[name];
      }
      if (dateStyle !== undefined) options['dateStyle'] = dateStyle;
      if (timeStyle !== undefined) options['timeStyle'] = timeStyle;
      return options;
    },
  }),
}));
