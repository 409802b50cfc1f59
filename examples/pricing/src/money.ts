// Money is whole cents, rates are basis points (1/100 of a percent): no fraction of a cent is ever lost in a float.

/** A share of an amount, rounded half away from zero. */
export function share(cents: number, basisPoints: number): number {
  const scaled = cents * basisPoints;
  return Math.sign(scaled) * Math.floor((Math.abs(scaled) + 5_000) / 10_000);
}

/** `123456` as `1234.56`. */
export function format(cents: number): string {
  const digits = String(Math.abs(cents)).padStart(3, '0');
  return `${cents < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
