// Digit options, shared by NumberFormat and PluralRules (ECMA-402, 16.1.3 SetNumberFormatDigitOptions), and numbers as text.

import { arrayIndexOf, bigintToString, matches, min, numberToString, trim } from '../primordials.ts';
import { checkedNumber, numberOption, stringOption, type Options } from './options.ts';
import { toPrimitive } from './service.ts';

/** As the host takes it; absent digits play no part. */
export interface Digits {
  minimumIntegerDigits: number;
  minimumFractionDigits?: number | undefined;
  maximumFractionDigits?: number | undefined;
  minimumSignificantDigits?: number | undefined;
  maximumSignificantDigits?: number | undefined;
  roundingIncrement: number;
  roundingMode: string;
  roundingPriority: string;
  trailingZeroDisplay: string;
}

const INCREMENTS = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 2500, 5000];
const MODES = ['ceil', 'floor', 'expand', 'trunc', 'halfCeil', 'halfFloor', 'halfExpand', 'halfTrunc', 'halfEven'];

export function readDigits(options: Options, minimumDefault: number, maximumDefault: number, compact: boolean): Digits {
  const minimumIntegerDigits = numberOption(options, 'minimumIntegerDigits', 1, 21) ?? 1;
  const minFraction = options['minimumFractionDigits'];
  const maxFraction = options['maximumFractionDigits'];
  const minSignificant = options['minimumSignificantDigits'];
  const maxSignificant = options['maximumSignificantDigits'];
  const roundingIncrement = numberOption(options, 'roundingIncrement', 1, 5000) ?? 1;
  if (arrayIndexOf(INCREMENTS, roundingIncrement) < 0) {
    throw new RangeError('roundingIncrement value is out of range: use 1, 2, 5, 10, 20, 25, 50, …, 5000');
  }
  const roundingMode = stringOption(options, 'roundingMode', MODES, 'halfExpand');
  const priority = stringOption(options, 'roundingPriority', ['auto', 'morePrecision', 'lessPrecision'], 'auto');
  const trailingZeroDisplay = stringOption(options, 'trailingZeroDisplay', ['auto', 'stripIfInteger'], 'auto');
  const maximum = roundingIncrement === 1 ? maximumDefault : minimumDefault;
  const hasSignificant = minSignificant !== undefined || maxSignificant !== undefined;
  const hasFraction = minFraction !== undefined || maxFraction !== undefined;
  const needSignificant = priority !== 'auto' || hasSignificant;
  const needFraction = priority !== 'auto' || !(hasSignificant || (!hasFraction && compact));
  const digits: Digits = { minimumIntegerDigits, roundingIncrement, roundingMode, roundingPriority: priority, trailingZeroDisplay };
  if (needSignificant) {
    const low = minSignificant === undefined ? 1 : checkedNumber(minSignificant, 'minimumSignificantDigits', 1, 21);
    digits.minimumSignificantDigits = low;
    digits.maximumSignificantDigits = maxSignificant === undefined ? 21 : checkedNumber(maxSignificant, 'maximumSignificantDigits', low, 21);
  }
  if (needFraction) {
    let low = minFraction === undefined ? undefined : checkedNumber(minFraction, 'minimumFractionDigits', 0, 100);
    let high = maxFraction === undefined ? undefined : checkedNumber(maxFraction, 'maximumFractionDigits', 0, 100);
    if (low === undefined) low = high === undefined ? minimumDefault : min(minimumDefault, high);
    high ??= maximum > low ? maximum : low;
    if (low > high) throw new RangeError('maximumFractionDigits value is out of range: it is less than minimumFractionDigits');
    digits.minimumFractionDigits = low;
    digits.maximumFractionDigits = high;
  }
  if (!needSignificant && !needFraction) {
    digits.minimumFractionDigits = digits.maximumFractionDigits = 0;
    digits.minimumSignificantDigits = 1;
    digits.maximumSignificantDigits = 2;
    digits.roundingPriority = 'morePrecision';
  }
  if (roundingIncrement !== 1) {
    if (priority !== 'auto' || hasSignificant) throw new TypeError('roundingIncrement goes with fraction digits only');
    if (digits.minimumFractionDigits !== digits.maximumFractionDigits) {
      throw new RangeError('with roundingIncrement, minimumFractionDigits and maximumFractionDigits must be equal');
    }
  }
  return digits;
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** A number as text for the host (16.5.16 ToIntlMathematicalValue): BigInts and texts keep all their digits. */
export function mathematicalValue(value: unknown): string {
  const primitive = typeof value === 'number' ? value : toPrimitive(value);
  if (typeof primitive === 'bigint') return bigintToString(primitive);
  if (typeof primitive === 'string') {
    const text = trim(primitive);
    if (matches(DECIMAL, text)) return text;
  }
  return numberText(Number(primitive));
}

/** `-0` and all others. */
export function numberText(number: number): string { return number === 0 && 1 / number < 0 ? '-0' : numberToString(number); }
