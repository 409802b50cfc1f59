// Strings, regular expressions and JSON: lines of a log are parsed, filtered and written.
const lines = Array.from({ length: 200 }, (_, i) => `2026-11-${String(1 + (i % 30)).padStart(2, '0')} ${i % 5 === 0 ? 'ERROR' : 'info'} shop-${i % 7}: took ${i * 3} ms for "/cart/${i}"`);
const pattern = /^(\d{4})-(\d\d)-(\d\d) (\w+) ([\w-]+): took (\d+) ms for "([^"]+)"$/;
globalThis.run = function (n) {
  let length = 0;
  for (let i = 0; i < n; i++) {
    const rows = lines.map((line) => pattern.exec(line)).filter((m) => m !== null)
      .map(([, year, month, day, level, shop, ms, path]) => ({ at: `${day}.${month}.${year}`, level: level.toLowerCase(), shop, ms: Number(ms), path }));
    const text = JSON.stringify(rows);
    length = JSON.parse(text).length + text.length;
  }
  return length;
};
