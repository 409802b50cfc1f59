import { call, describe, expect, it } from '@belljar/sdk/test';
import { quantityDiscount } from './discounts.ts';
import order from '../samples/order.json';

const line = (sku: string, quantity: number) => ({ customer: { country: 'DE' }, lines: [{ sku, quantity }] });

describe('discounts', () => {
  it.each([[1, 0], [24, 0], [25, 500], [100, 1_250], [10_000, 2_000]])('of %i pieces are %i basis points', (quantity, expected) => {
    expect(quantityDiscount(quantity)).toBe(expected);
  });

  it('apply one after the other', { fuelMax: 20_000_000 }, async () => {
    expect(await call('default', order)).toMatchObject({ list: '513.55', discount: '119.22', net: '394.33', total: '467.21' });
  });
});

describe('orders that cannot be priced', () => {
  it('say what is wrong, for programs as well', async () => {
    await expect(call('default', line('nothing', 1))).rejects.toThrow(expect.objectContaining({ code: 'unknown-article', details: { sku: 'nothing' } }));
    await expect(call('default', line('jar-small', 0))).rejects.toThrow('a quantity is a whole number from 1 to 10000');
  });
});
