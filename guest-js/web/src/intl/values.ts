// Intl.supportedValuesOf (ECMA-402, 8.3.2), and the questions whether a value is one of those.

import { arrayIndexOf } from '../primordials.ts';
import { domString } from '../webidl.ts';
import { askJson, SUPPORTED_VALUES } from './host.ts';

const KEYS = ['calendar', 'collation', 'currency', 'numberingSystem', 'timeZone', 'unit'];

export function supportedValuesOf(key: unknown): string[] {
  const name = domString(key);
  if (arrayIndexOf(KEYS, name) < 0) throw new RangeError(`Invalid key : ${name}`);
  return askJson(SUPPORTED_VALUES, '', name);
}

let systems: string[] | undefined;
export function isNumberingSystem(value: string): boolean {
  return value === 'latn' || arrayIndexOf((systems ??= supportedValuesOf('numberingSystem')), value) >= 0;
}

export function isCalendar(value: string): boolean { return value === 'gregory' || value === 'iso8601'; }
