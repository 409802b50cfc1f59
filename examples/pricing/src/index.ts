import type { Context } from '@belljar/sdk';
import articles from './articles.json';
import { couponDiscount, quantityDiscount, tierDiscount } from './discounts.ts';
import { format, share } from './money.ts';
import { OrderError, readOrder } from './order.ts';
import { vatRate, type VatClass } from './vat.ts';

interface Article {
  title: string;
  cents: number;
  vat: VatClass;
}

const ARTICLES = new Map(Object.entries(articles as Record<string, Article>));

function articleOf(sku: string): Article {
  const article = ARTICLES.get(sku);
  if (article === undefined) throw new OrderError('unknown-article', `there is no article ${sku}`, { sku });
  return article;
}

export default function price(_context: Context, payload: unknown) {
  const { customer, coupon, lines } = readOrder(payload);
  const offTier = tierDiscount(customer.tier);
  const offCoupon = couponDiscount(coupon);

  const priced = lines.map(({ sku, quantity }) => {
    const { title, cents, vat } = articleOf(sku);
    const list = cents * quantity;
    let net = list;
    for (const discount of [quantityDiscount(quantity), offTier, offCoupon]) net -= share(net, discount);
    const rate = vatRate(customer.country, vat);
    return { sku, title, quantity, list, net, rate, tax: share(net, rate) };
  });

  const sum = (part: 'list' | 'net' | 'tax') => priced.reduce((total, line) => total + line[part], 0);
  const [list, net, tax] = [sum('list'), sum('net'), sum('tax')];
  return {
    lines: priced.map(({ sku, title, quantity, net }) => ({ sku, title, quantity, net: format(net) })),
    list: format(list),
    discount: format(list - net),
    net: format(net),
    tax: format(tax),
    total: format(net + tax),
  };
}
