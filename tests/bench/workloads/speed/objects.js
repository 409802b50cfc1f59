// Objects, arrays, maps and sorting: orders are grouped, summed and ranked.
class Order {
  constructor(id, customer, amount) { this.id = id; this.customer = customer; this.amount = amount; }
  get isLarge() { return this.amount > 500; }
}
const orders = Array.from({ length: 400 }, (_, i) => new Order(i, `customer ${i % 37}`, (i * 7919) % 1000));
globalThis.run = function (n) {
  let best = '';
  for (let i = 0; i < n; i++) {
    const totals = new Map();
    for (const order of orders) {
      const { customer, amount } = order;
      totals.set(customer, (totals.get(customer) ?? 0) + amount * (order.isLarge ? 0.9 : 1));
    }
    const ranked = [...totals].map(([name, total]) => ({ name, total })).sort((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1));
    best = `${ranked[0].name}: ${ranked[0].total.toFixed(2)}`;
  }
  return best;
};
