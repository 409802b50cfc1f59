import type { Context } from '@belljar/sdk';

interface Order {
  sku: string;
  quantity: number;
}

interface Price {
  cents: number;
}

/** Prices an order. An article without a price is a bug that this example has on purpose: docs/replay.md finds it. */
export async function price(context: Context, order: Order) {
  const { kv, log } = context.sdk;
  const price = await kv.get<Price>(`price:${order.sku}`);
  log.info('priced', { sku: order.sku });
  return { order: crypto.randomUUID(), total: total(price as Price, order.quantity) };
}

function total(price: Price, quantity: number): number {
  return price.cents * quantity;
}

/** Takes a new price. */
export async function reprice(context: Context, change: { sku: string; cents: number }) {
  await context.sdk.kv.set(`price:${change.sku}`, { cents: change.cents });
}
