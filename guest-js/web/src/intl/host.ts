// What the host is asked (wit/intl.wit), and the locales that the applet declares. Recipes are the resolved options of one object as
// JSON text; the host keeps what it made of them, so an object here is nothing but its recipe.

import { native } from '../native.ts';
import { jsonParse, jsonStringify, mapGet, mapSet, mapSize, SavedMap } from '../primordials.ts';

/** The cases of `question`, by number. */
export const CANONICAL_LOCALE = 0, NEGOTIATE = 1, SUPPORTED_VALUES = 2, RESOLVE_NUMBER = 3, NUMBER = 4, NUMBER_PARTS = 5, RESOLVE_DATE = 6, DATE = 7,
  DATE_PARTS = 8, DATE_RANGE = 9, DATE_RANGE_PARTS = 10, RESOLVE_PLURAL = 11, PLURAL = 12, PLURAL_RANGE = 13, LIST = 14, LIST_PARTS = 15,
  RELATIVE_TIME = 16, RELATIVE_TIME_PARTS = 17, RESOLVE_COLLATOR = 18;

/** Throws RangeError with the host's words. */
export function ask(question: number, recipe: string, value: string): string { return native.intl(question, recipe, value); }
export function askJson<T>(question: number, recipe: string, value: string): T { return jsonParse(native.intl(question, recipe, value)) as T; }

/** What `negotiate` answers. */
export interface Chosen { locale: string; requested: string | null; keywords: [string, string][]; supported: string[] }

/** Answers kept: those of the few locales that a program asks for again and again. */
const KEPT_MAX = 64;

let declared: readonly string[] = [];
/** The caller's locale, until the default has been settled with it. */
let callers: string | undefined;
let recipe = '';
let chosen = new SavedMap<string, Chosen>();

/** Sets the declared locales; the first one is the default. */
export function declareLocales(locales: readonly string[]): void {
  declared = locales;
  useDefault(locales[0] as string);
}

/** The caller's locale becomes the default if it is declared, or narrower than one that is; looked at when it is first needed. */
export function useCallersLocale(locale: string): void {
  useDefault(declared[0] as string);
  callers = locale;
}

function settleDefault(locale: string): void {
  callers = undefined;
  try {
    const met = negotiate([ask(CANONICAL_LOCALE, '', locale)]);
    if (met.requested !== null) useDefault(met.locale);
  } catch {
    // What a client sent as its language need not be a locale.
  }
}

function useDefault(locale: string): void {
  recipe = jsonStringify({ declared, default: locale });
  chosen = new SavedMap();
}

/** Chooses among the declared locales; tags are canonical. */
export function negotiate(tags: readonly string[]): Chosen {
  if (callers !== undefined) settleDefault(callers);
  const value = jsonStringify(tags);
  let answer = mapGet(chosen, value);
  if (answer === undefined) {
    answer = askJson<Chosen>(NEGOTIATE, recipe, value);
    if (mapSize(chosen) >= KEPT_MAX) chosen = new SavedMap();
    mapSet(chosen, value, answer);
  }
  return answer;
}
