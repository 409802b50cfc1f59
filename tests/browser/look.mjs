// Looks at one page in a headless browser: `node look.mjs SPEC`, a JSON object with `modules` (a folder whose node_modules has
// playwright-core), `browser` (the program), `profile` (an empty folder), `url`, `headers`, and `steps`: each [name, argument…]. Writes what
// the steps have found as a JSON array, and on standard error what went wrong. Nothing here knows which page it is.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const spec = JSON.parse(process.argv[2]);
const { chromium } = createRequire(join(spec.modules, 'package.json'))('playwright-core');

const context = await chromium.launchPersistentContext(spec.profile, {
  executablePath: spec.browser,
  headless: true,
  locale: spec.locale ?? 'en',
  extraHTTPHeaders: spec.headers ?? {},
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(20_000);

/** Everything that a page should not say: React tells here that the server's document is not the browser's. */
const complaints = [];
page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
page.on('console', (message) => {
  // Browsers ask for an icon unasked.
  if (message.location().url.endsWith('/favicon.ico')) return;
  if (message.type() === 'error' || message.type() === 'warning') complaints.push(`${message.type()}: ${message.text()}`);
});
page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
page.on('response', (response) => {
  if (response.status() >= 400 && !response.url().endsWith('/favicon.ico')) complaints.push(`status ${response.status()}: ${response.url()}`);
});

/** Scripts of pages wait here until what the server has sent is marked. */
let held = [];
await page.route('**/assets/pages/*.js', (route) => (held === undefined ? route.continue() : void held.push(route)));

/** React keeps its own properties on elements that it has brought to life. */
const isAlive = (selector) => Object.keys(document.querySelector(selector) ?? {}).some((key) => key.startsWith('__reactFiber$'));

const steps = {
  /** Opens a page, and marks every element before a script runs. Gives its status. */
  goto: async (path) => {
    held = [];
    const response = await page.goto(new URL(path, spec.url).href, { waitUntil: 'domcontentloaded' });
    await page.evaluate(() => { for (const element of document.querySelectorAll('*')) element.fromServer = true; });
    const waiting = held;
    held = undefined;
    for (const route of waiting) await route.continue();
    await page.waitForLoadState('load');
    return response.status();
  },
  /** Waits until an element has come to life. */
  alive: async (selector) => (await page.waitForFunction(isAlive, selector), true),
  /** Whether an element is still the server's own. */
  marked: (selector) => page.evaluate((selector) => document.querySelector(selector)?.fromServer === true, selector),
  click: (selector) => page.click(selector),
  /** Waits until an element has this text. */
  shows: async (selector, text) => (await page.locator(selector, { hasText: text }).first().waitFor(), true),
  text: (selector) => page.locator(selector).first().innerText(),
  count: (selector) => page.locator(selector).count(),
  style: (selector, name) => page.evaluate(([selector, name]) => getComputedStyle(document.querySelector(selector))[name], [selector, name]),
  attribute: (selector, name) => page.locator(selector).first().getAttribute(name),
  title: () => page.title(),
  complaints: async () => complaints.splice(0),
};

const found = [];
try {
  for (const [name, ...args] of spec.steps) found.push((await steps[name](...args)) ?? null);
  process.stdout.write(`${JSON.stringify(found)}\n`);
} catch (error) {
  process.stderr.write(`${JSON.stringify({ found, complaints, html: await page.content().catch(() => '') })}\n${error.stack}\n`);
  process.exitCode = 1;
} finally {
  await context.close();
}
