// The object Intl, for applets that declare locales, and the methods of Number, BigInt, Date and String that go through it (ECMA-402,
// 8 and 19). Nothing is made before it is used: each constructor comes into being when it is first read.

import { installLazily, once } from '../lazy.ts';
import { defineProperty, mapGet, mapSet, mapSize, SavedMap, uncurryThis } from '../primordials.ts';
import { collator, compareTexts, createCollator, type CollatorState } from './collator.ts';
import { createDateTimeFormat, dateTimeFormat, formatDate, type DateState, type Defaults, type Required } from './date-time-format.ts';
import { declareLocales, useCallersLocale } from './host.ts';
import { listFormat } from './list-format.ts';
import { canonicalLocales } from './locale.ts';
import { createNumberFormat, formatNumber, numberFormat, type NumberState } from './number-format.ts';
import { pluralRules } from './plural-rules.ts';
import { relativeTimeFormat } from './relative-time-format.ts';
import { addMembers, notHere } from './service.ts';
import { supportedValuesOf } from './values.ts';

/** A constructor that says why there is none. It supports no locale, for those who ask first. */
function missing(name: string): Function {
  const constructor = function (): never { throw notHere(`Intl.${name}`); };
  defineProperty(constructor, 'name', { value: name, configurable: true });
  addMembers(constructor, { supportedLocalesOf(): string[] { return []; } });
  return constructor;
}

const intl = once(() => {
  const object = {};
  const services: Record<string, () => Function> = {
    Collator: () => collator().constructor, DateTimeFormat: () => dateTimeFormat().constructor, ListFormat: () => listFormat().constructor,
    NumberFormat: () => numberFormat().constructor, PluralRules: () => pluralRules().constructor,
    RelativeTimeFormat: () => relativeTimeFormat().constructor,
  };
  for (const name of ['DisplayNames', 'DurationFormat', 'Locale', 'Segmenter']) services[name] = () => missing(name);
  for (const name of Object.keys(services)) {
    const settle = (value: unknown): unknown => {
      defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
      return value;
    };
    defineProperty(object, name, {
      get: () => settle((services[name] as () => Function)()), set: (value: unknown) => void settle(value), configurable: true, enumerable: false,
    });
  }
  addMembers(object, {
    getCanonicalLocales(locales: unknown): string[] { return canonicalLocales(locales); },
    supportedValuesOf(key: unknown): string[] { return supportedValuesOf(key); },
  });
  defineProperty(object, Symbol.toStringTag, { value: 'Intl', configurable: true });
  return { Intl: object };
});

/** Objects kept for methods without options, by locale: `date.toLocaleString('de')` in a loop makes one. */
const KEPT_MAX = 32;
let kept = new SavedMap<string, unknown>();

function keep<T>(kind: string, locales: unknown, options: unknown, make: () => T): T {
  if (options !== undefined || (locales !== undefined && typeof locales !== 'string')) return make();
  const key = `${kind} ${(locales as string | undefined) ?? ''}`;
  let made = mapGet(kept, key) as T | undefined;
  if (made === undefined) {
    made = make();
    if (mapSize(kept) >= KEPT_MAX) kept = new SavedMap();
    mapSet(kept, key, made);
  }
  return made;
}

const numberValue = uncurryThis(Number.prototype.valueOf);
const bigintValue = uncurryThis(BigInt.prototype.valueOf);
const dateValue = uncurryThis(Date.prototype.getTime);

function number(value: unknown, locales: unknown, options: unknown): string {
  return formatNumber(keep<NumberState>('number', locales, options, () => createNumberFormat(locales, options)), value);
}

function date(value: number, locales: unknown, options: unknown, required: Required, defaults: Defaults): string {
  if (value !== value) return 'Invalid Date';
  const make = (): DateState => createDateTimeFormat(locales, options, required, defaults);
  return formatDate(keep<DateState>(`date ${required} ${defaults}`, locales, options, make), value);
}

function installMethods(): void {
  addMembers(Number.prototype, {
    toLocaleString(this: number, locales: unknown = undefined, options: unknown = undefined) { return number(numberValue(this), locales, options); },
  });
  addMembers(BigInt.prototype, {
    toLocaleString(this: bigint, locales: unknown = undefined, options: unknown = undefined) { return number(bigintValue(this), locales, options); },
  });
  addMembers(Date.prototype, {
    toLocaleString(this: Date, locales: unknown = undefined, options: unknown = undefined) {
      return date(dateValue(this), locales, options, 'any', 'all');
    },
    toLocaleDateString(this: Date, locales: unknown = undefined, options: unknown = undefined) {
      return date(dateValue(this), locales, options, 'date', 'date');
    },
    toLocaleTimeString(this: Date, locales: unknown = undefined, options: unknown = undefined) {
      return date(dateValue(this), locales, options, 'time', 'time');
    },
  });
  addMembers(String.prototype, {
    localeCompare(this: unknown, that: unknown, locales: unknown = undefined, options: unknown = undefined) {
      if (this === undefined || this === null) throw new TypeError('String.prototype.localeCompare called on null or undefined');
      const text = `${this as string}`;
      const other = `${that as string}`;
      return compareTexts(keep<CollatorState>('collator', locales, options, () => createCollator(locales, options)), text, other);
    },
  });
}

let installed = false;

/** Gives the applet Intl, with these locales. */
export function installIntl(locales: readonly string[]): void {
  declareLocales(locales);
  installed = true;
  installLazily('Intl', intl);
  installMethods();
}

/** A call begins: its caller's locale is the default. */
export function beginIntl(locale: string): void {
  if (!installed) return;
  useCallersLocale(locale);
  kept = new SavedMap();
}
