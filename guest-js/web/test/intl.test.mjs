// Intl: options, their order and their errors, beside Node's own Intl. The host is Node's Intl too, asked with the recipes; what the real
// host answers is tested in host/intl.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sandbox } from './harness.mjs';

const QUESTIONS = ['canonical', 'negotiate', 'values', 'resolveNumber', 'number', 'numberParts', 'resolveDate', 'date', 'dateParts', 'dateRange',
  'dateRangeParts', 'resolvePlural', 'plural', 'pluralRange', 'list', 'listParts', 'relative', 'relativeParts', 'resolveCollator'];
const UNITS = ['day', 'kilometer', 'liter'];

/** Options for Node's constructors, from a recipe. */
function options({ locale, digits, useGrouping, hourCycle, calendar, ...rest }) {
  for (const key of Object.keys(rest)) if (rest[key] === undefined || rest[key] === null) delete rest[key];
  return { ...rest, ...digits, ...(useGrouping === undefined ? {} : { useGrouping: useGrouping === 'never' ? false : useGrouping }),
    ...(hourCycle ? { hourCycle } : {}) };
}

function host(recipes) {
  const parts = (list) => JSON.stringify(list.map(({ type, value }) => [type, value]));
  const answers = {
    canonical: (_, value) => Intl.getCanonicalLocales(value)[0],
    negotiate({ declared, default: fallback }, value) {
      const tags = JSON.parse(value);
      const met = tags.filter((tag) => declared.some((d) => new Intl.Locale(tag).baseName.startsWith(d)));
      if (met.length === 0) return JSON.stringify({ locale: fallback, requested: null, keywords: [], supported: [] });
      const found = new Intl.Locale(met[0]);
      const keywords = [['ca', found.calendar], ['co', found.collation], ['hc', found.hourCycle], ['kf', found.caseFirst], ['kn', found.numeric ? '' : undefined],
        ['nu', found.numberingSystem]].filter(([, text]) => text !== undefined);
      return JSON.stringify({ locale: found.baseName, requested: met[0], keywords, supported: met });
    },
    values(_, key) {
      if (key.startsWith('currencyDigits:')) {
        const { maximumFractionDigits } = new Intl.NumberFormat('en', { style: 'currency', currency: key.slice(15) }).resolvedOptions();
        return JSON.stringify(maximumFractionDigits);
      }
      return JSON.stringify(key === 'unit' ? UNITS : Intl.supportedValuesOf(key));
    },
    resolveNumber: (r) => JSON.stringify({ numberingSystem: new Intl.NumberFormat(r.locale, options(r)).resolvedOptions().numberingSystem }),
    number: (r, value) => new Intl.NumberFormat(r.locale, options(r)).format(value),
    numberParts: (r, value) => parts(new Intl.NumberFormat(r.locale, options(r)).formatToParts(value)),
    resolveDate(r) {
      const { numberingSystem, timeZone, hourCycle, hour } = new Intl.DateTimeFormat(r.locale, options(r)).resolvedOptions();
      return JSON.stringify({ numberingSystem, timeZone, hourCycle: hourCycle ?? null, hour: hour ?? null });
    },
    date: (r, value) => new Intl.DateTimeFormat(r.locale, options(r)).format(Number(value)),
    dateParts: (r, value) => parts(new Intl.DateTimeFormat(r.locale, options(r)).formatToParts(Number(value))),
    resolvePlural: (r) => JSON.stringify({ pluralCategories: new Intl.PluralRules(r.locale, { type: r.type }).resolvedOptions().pluralCategories }),
    plural: (r, value) => new Intl.PluralRules(r.locale, { type: r.type, ...r.digits }).select(Number(value)),
    list: (r, value) => new Intl.ListFormat(r.locale, options(r)).format(JSON.parse(value)),
    listParts: (r, value) => parts(new Intl.ListFormat(r.locale, options(r)).formatToParts(JSON.parse(value))),
    relative: ({ unit, ...r }, value) => new Intl.RelativeTimeFormat(r.locale, options(r)).format(Number(value), unit),
    relativeParts: ({ unit, ...r }, value) => parts(new Intl.RelativeTimeFormat(r.locale, options(r)).formatToParts(Number(value), unit)),
    resolveCollator(r) {
      const { ignorePunctuation, caseFirst } = new Intl.Collator(r.locale, options(r)).resolvedOptions();
      return JSON.stringify({ ignorePunctuation, caseFirst });
    },
  };
  return (question, recipe, value) => {
    const name = QUESTIONS[question];
    recipes.push(name);
    return answers[name](recipe === '' ? undefined : JSON.parse(recipe), value);
  };
}

/** A realm with Intl for these locales. Errors of the host are RangeErrors there, as the engine makes them. */
function withIntl(...locales) {
  const box = sandbox();
  const asked = [];
  const answer = host(asked);
  const rangeError = box.run('(message) => { throw new RangeError(message); }');
  box.native.intl = (...args) => {
    try {
      return answer(...args);
    } catch (error) {
      return rangeError(error.message);
    }
  };
  box.native.intlCompare = (recipe, a, b) => {
    const r = JSON.parse(recipe);
    return new Intl.Collator(r.locale, options(r)).compare(a, b);
  };
  box.driver.locales(locales);
  return { ...box, asked };
}

const here = (code) => (0, eval)(`(() => { try { return ${code}; } catch (error) { return error.name; } })()`);
const there = (box, code) => box.run(`(() => { try { return ${code}; } catch (error) { return error.name; } })()`);
const plain = (value) => JSON.parse(JSON.stringify(value ?? null));

/** The same code, in Node and in the sandbox. */
function same(box, code) { assert.deepEqual(plain(there(box, code)), plain(here(code)), code); }

test('nothing is asked before Intl is used', () => {
  const box = withIntl('en', 'de');
  assert.equal(box.run('typeof Intl'), 'object');
  assert.equal(box.run("'DateTimeFormat' in Intl"), true);
  assert.deepEqual(box.asked, []);
  box.run('(1).toLocaleString(); (2).toLocaleString()');
  assert.deepEqual(box.asked.filter((name) => name === 'resolveNumber').length, 1);
});

test('resolved options are those of Node', () => {
  const box = withIntl('en', 'de');
  for (const options of ['undefined', "{ style: 'percent' }", "{ style: 'currency', currency: 'jpy' }", "{ style: 'currency', currency: 'EUR', notation: 'compact' }",
    "{ style: 'unit', unit: 'day', unitDisplay: 'long' }", '{ minimumFractionDigits: 5 }', '{ maximumFractionDigits: 0 }', '{ maximumSignificantDigits: 3 }',
    "{ notation: 'compact', compactDisplay: 'long' }", "{ useGrouping: false }", "{ useGrouping: 'min2' }", "{ useGrouping: 'false' }", "{ signDisplay: 'exceptZero' }",
    "{ roundingIncrement: 50, minimumFractionDigits: 2, maximumFractionDigits: 2 }", "{ numberingSystem: 'arab' }", "{ numberingSystem: 'klingon' }"]) {
    same(box, `new Intl.NumberFormat('de', ${options}).resolvedOptions()`);
  }
  for (const options of ['{}', "{ dateStyle: 'full' }", "{ timeStyle: 'short', hour12: true }", "{ hour: 'numeric', hourCycle: 'h23' }", "{ year: 'numeric', era: 'short' }",
    "{ minute: 'numeric' }", "{ minute: 'numeric', second: '2-digit' }", "{ hour: 'numeric', minute: 'numeric', timeZoneName: 'short' }", "{ fractionalSecondDigits: 2 }"]) {
    same(box, `new Intl.DateTimeFormat('en', { timeZone: 'UTC', ...${options} }).resolvedOptions()`);
  }
  for (const options of ['{}', "{ sensitivity: 'base', numeric: true }", "{ caseFirst: 'upper', ignorePunctuation: true }", "{ usage: 'search' }"]) {
    same(box, `new Intl.Collator('de', ${options}).resolvedOptions()`);
  }
  same(box, "new Intl.PluralRules('en', { type: 'ordinal' }).resolvedOptions().maximumFractionDigits");
  same(box, "new Intl.ListFormat('en', { type: 'unit', style: 'narrow' }).resolvedOptions()");
  same(box, "new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' }).resolvedOptions()");
  same(box, "new Intl.NumberFormat('de-u-nu-arab-co-phonebk').resolvedOptions().locale");
  same(box, "new Intl.Collator('de-u-kn-co-phonebk').resolvedOptions()");
});

test('errors are those of Node', () => {
  const box = withIntl('en', 'de');
  for (const code of ["new Intl.NumberFormat('en', null)", "new Intl.NumberFormat('en', { style: 'x' })", "new Intl.NumberFormat('en', { style: 'currency' })",
    "new Intl.NumberFormat('en', { currency: 'e' })", "new Intl.NumberFormat('en', { style: 'unit' })", "new Intl.NumberFormat('en', { unit: 'parsec' })",
    "new Intl.NumberFormat('en', { unit: 'day-per-hour-per-year' })", "new Intl.NumberFormat('en', { minimumFractionDigits: 1e9 })",
    "new Intl.NumberFormat('en', { minimumFractionDigits: 3, maximumFractionDigits: 2 })", "new Intl.NumberFormat('en', { roundingIncrement: 3 })",
    "new Intl.NumberFormat('en', { roundingIncrement: 5, maximumSignificantDigits: 2 })", "new Intl.NumberFormat('en', { roundingIncrement: 5, maximumFractionDigits: 3, minimumFractionDigits: 0 })",
    "new Intl.NumberFormat('en', { useGrouping: 'sometimes' })", "new Intl.NumberFormat('en', { numberingSystem: 'x' })", "new Intl.NumberFormat(1)", 'new Intl.NumberFormat([1])',
    "new Intl.NumberFormat('not a tag')", "new Intl.NumberFormat().format(Symbol())", 'Intl.NumberFormat.prototype.format', 'Intl.NumberFormat.prototype.formatToParts.call({}, 1)',
    'Intl.PluralRules()', 'Intl.ListFormat()', 'Intl.RelativeTimeFormat()', "new Intl.ListFormat('en', 1)", "new Intl.ListFormat('en').format([1])", "new Intl.ListFormat('en').format(1)",
    "new Intl.DateTimeFormat('en', { dateStyle: 'full', day: 'numeric' })", "new Intl.DateTimeFormat('en', { timeZone: 'Mars' })", "new Intl.DateTimeFormat('en').format(NaN)",
    "new Intl.DateTimeFormat('en').format(8.64e15 + 1)", "new Date(0).toLocaleDateString('en', { timeStyle: 'short' })", "new Date(0).toLocaleTimeString('en', { dateStyle: 'short' })",
    "new Intl.RelativeTimeFormat('en').format(Infinity, 'day')", "new Intl.RelativeTimeFormat('en').format(1, 'eon')", "new Intl.PluralRules('en').selectRange(1)",
    "Intl.supportedValuesOf('x')", "''.localeCompare.call(null, 'a')", "new Intl.Collator('en', { sensitivity: 'x' })", "(1).toLocaleString('en', { style: 'x' })"]) {
    same(box, code);
  }
});

test('options are read once and in the order of ECMA-402', () => {
  const box = withIntl('en');
  const read = `(make) => { const names = []; make(new Proxy({}, { get(_, name) { names.push(name); } })); return names; }`;
  for (const name of ['ListFormat', 'RelativeTimeFormat', 'Collator']) {
    const code = `(${read})((options) => new Intl.${name}('en', options))`;
    same(box, code);
  }
  // Node 20 reads in the order of an older edition; this is that of 2024 (16.1.2 and 11.1.2).
  assert.deepEqual(plain(there(box, `(${read})((options) => new Intl.NumberFormat('en', options))`)), ['localeMatcher', 'numberingSystem', 'style', 'currency', 'currencyDisplay',
    'currencySign', 'unit', 'unitDisplay', 'notation', 'minimumIntegerDigits', 'minimumFractionDigits', 'maximumFractionDigits', 'minimumSignificantDigits',
    'maximumSignificantDigits', 'roundingIncrement', 'roundingMode', 'roundingPriority', 'trailingZeroDisplay', 'compactDisplay', 'useGrouping', 'signDisplay']);
  assert.deepEqual(plain(there(box, `(${read})((options) => new Intl.DateTimeFormat('en', options))`)), ['localeMatcher', 'calendar', 'numberingSystem', 'hour12', 'hourCycle',
    'timeZone', 'weekday', 'era', 'year', 'month', 'day', 'dayPeriod', 'hour', 'minute', 'second', 'fractionalSecondDigits', 'timeZoneName', 'formatMatcher', 'dateStyle', 'timeStyle']);
});

test('a clock of 24 hours begins at zero', () => {
  // Node 20 says h24 here, as an older edition has it for some locales.
  const box = withIntl('en');
  assert.equal(box.run("new Intl.DateTimeFormat('en', { timeStyle: 'short', hour12: false }).resolvedOptions().hourCycle"), 'h23');
});

test('objects have the shape of built-in ones', () => {
  const box = withIntl('en');
  for (const name of ['Collator', 'DateTimeFormat', 'ListFormat', 'NumberFormat', 'PluralRules', 'RelativeTimeFormat']) {
    for (const code of [`Object.getOwnPropertyDescriptor(Intl, '${name}').enumerable`, `[Intl.${name}.name, Intl.${name}.length]`, `Object.keys(Intl.${name}.prototype)`,
      `String(new Intl.${name}('en'))`, `class extends Intl.${name} {}.name`, `new (class A extends Intl.${name} {})('en') instanceof Intl.${name}`,
      `Object.getOwnPropertyDescriptor(Intl.${name}, 'prototype').writable`, `'prototype' in Intl.${name}.supportedLocalesOf`]) same(box, code);
  }
  for (const code of ['String(Intl)', "Intl.NumberFormat('en') instanceof Intl.NumberFormat", "new Intl.NumberFormat('en').format.name", '(1).toLocaleString.length',
    "(() => { const f = new Intl.NumberFormat('en'); return f.format === f.format; })()", "Intl.getCanonicalLocales(['EN', 'en'])", 'Intl.getCanonicalLocales()',
    "Intl.NumberFormat.supportedLocalesOf(['en-GB', 'tlh'])"]) same(box, code);
});

test('values of every kind are formatted as Node does', () => {
  const box = withIntl('en', 'de');
  for (const value of ["'12345678901234567890.5'", '12345678901234567890n', "' 1e3 '", "'0x10'", "'twelve'", 'undefined', 'null', 'true', '-0', "{ valueOf: () => 7 }", "new Date(5)",
    "{ [Symbol.toPrimitive]: () => 9n }"]) same(box, `new Intl.NumberFormat('en').format(${value})`);
  for (const code of ["(1234.5).toLocaleString('de')", "10n.toLocaleString('de')", "new Date(0).toLocaleDateString('de', { timeZone: 'UTC' })", "new Date(NaN).toLocaleString()",
    "['ö', 'z', 'o'].sort(new Intl.Collator('de').compare)", "'a'.localeCompare('B', 'en')", "new Intl.ListFormat('en').format('abc')", "new Intl.PluralRules('en').select('1')",
    "new Intl.RelativeTimeFormat('en').formatToParts(-2, 'days')", "new Intl.NumberFormat('de').formatToParts(-1234.5)"]) same(box, code);
});

test('what is missing says where it is', () => {
  const box = withIntl('en');
  for (const name of ['DisplayNames', 'DurationFormat', 'Locale', 'Segmenter']) {
    const message = box.run(`(() => { try { new Intl.${name}('en'); } catch (error) { return error.message; } })()`);
    assert.match(message, new RegExp(`^Intl\\.${name} is not in the sandbox: .*process engine`));
    assert.deepEqual(plain(box.run(`Intl.${name}.supportedLocalesOf('en')`)), []);
  }
});
