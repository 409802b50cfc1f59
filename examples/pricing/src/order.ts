// What an order is, and what is wrong with one. Payloads come from outside: nothing is taken on trust.

export type Tier = 'standard' | 'silver' | 'gold';

export interface Order {
  customer: { country: string; tier: Tier };
  coupon: string | undefined;
  lines: { sku: string; quantity: number }[];
}

/** An order that cannot be priced. `code` and `details` reach the caller. */
export class OrderError extends Error {
  override readonly name = 'OrderError';
  readonly code: string;
  readonly details: object;
  constructor(code: string, message: string, details: object = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

const TIERS: readonly string[] = ['standard', 'silver', 'gold'];
const LINES_MAX = 500;
const QUANTITY_MAX = 10_000;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function readOrder(payload: unknown): Order {
  if (!isObject(payload)) throw new OrderError('invalid-order', 'an order is an object');
  const { customer, coupon, lines } = payload;
  if (!isObject(customer) || typeof customer.country !== 'string') {
    throw new OrderError('invalid-order', 'customer.country is missing', { field: 'customer.country' });
  }
  const tier = customer.tier ?? 'standard';
  if (typeof tier !== 'string' || !TIERS.includes(tier)) {
    throw new OrderError('invalid-order', `customer.tier is one of ${TIERS.join(', ')}`, { field: 'customer.tier' });
  }
  if (coupon !== undefined && typeof coupon !== 'string') {
    throw new OrderError('invalid-order', 'coupon is a text', { field: 'coupon' });
  }
  if (!Array.isArray(lines) || lines.length === 0 || lines.length > LINES_MAX) {
    throw new OrderError('invalid-order', `an order has 1 to ${LINES_MAX} lines`, { field: 'lines' });
  }
  const read = lines.map((line: unknown, index) => {
    if (!isObject(line) || typeof line.sku !== 'string') {
      throw new OrderError('invalid-order', 'a line names its article', { field: `lines[${index}].sku` });
    }
    const { sku, quantity } = line;
    if (typeof quantity !== 'number' || !Number.isInteger(quantity) || quantity < 1 || quantity > QUANTITY_MAX) {
      const field = `lines[${index}].quantity`;
      throw new OrderError('invalid-order', `a quantity is a whole number from 1 to ${QUANTITY_MAX}`, { field });
    }
    return { sku, quantity };
  });
  return { customer: { country: customer.country, tier: tier as Tier }, coupon, lines: read };
}
