// JSON in, JSON out: the smallest applet that does something.
globalThis.handle = function (text) {
  const order = JSON.parse(text);
  const lines = [];
  let total = 0;
  for (const { sku, quantity, price } of order.lines) {
    if (quantity <= 0) continue;
    const amount = Math.round(quantity * price * 100) / 100;
    lines.push({ sku, quantity, amount });
    total += amount;
  }
  return JSON.stringify({ ok: true, customer: order.customer, count: lines.length, total: Math.round(total * 100) / 100, lines });
};
