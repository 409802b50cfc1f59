// Value-added tax by country, as basis points.

import { OrderError } from './order.ts';

export type VatClass = 'standard' | 'reduced';

const RATES: Record<string, Record<VatClass, number>> = {
  AT: { standard: 2_000, reduced: 1_000 },
  DE: { standard: 1_900, reduced: 700 },
  FR: { standard: 2_000, reduced: 550 },
  IT: { standard: 2_200, reduced: 400 },
};

export function vatRate(country: string, vatClass: VatClass): number {
  // An own property: "constructor" is no country.
  if (!Object.hasOwn(RATES, country)) {
    throw new OrderError('unknown-country', `nothing is sold to ${country}`, { country, countries: Object.keys(RATES) });
  }
  return RATES[country]![vatClass];
}
