// Discounts, as basis points. They do not add up: each one applies to what the ones before it have left.

import { OrderError, type Tier } from './order.ts';

/** From this quantity of one article on, this much off. Largest quantity first. */
const BY_QUANTITY = [
  [500, 2_000],
  [100, 1_250],
  [25, 500],
] as const;

const BY_TIER: Record<Tier, number> = { standard: 0, silver: 200, gold: 500 };

const COUPONS = new Map([
  ['WELCOME10', 1_000],
  ['SPRING5', 500],
]);

export function quantityDiscount(quantity: number): number {
  return BY_QUANTITY.find(([from]) => quantity >= from)?.[1] ?? 0;
}

export function tierDiscount(tier: Tier): number {
  return BY_TIER[tier];
}

export function couponDiscount(coupon: string | undefined): number {
  if (coupon === undefined) return 0;
  const discount = COUPONS.get(coupon.toUpperCase());
  if (discount === undefined) throw new OrderError('unknown-coupon', `there is no coupon ${coupon}`, { coupon });
  return discount;
}
