// Test files as texts, listed and run in a sandbox over a host that is played: the driver is the real one, of guest-js/web.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { sandbox } from '../../web/test/harness.mjs';

const root = dirname(fileURLToPath(import.meta.url));

/** The library as one script: from BELLJAR_TEST_BUNDLE, or made by the bundler that BELLJAR_BUNDLE names. */
function bundle() {
  if (process.env.BELLJAR_TEST_BUNDLE) return readFileSync(process.env.BELLJAR_TEST_BUNDLE, 'utf8');
  const bundler = process.env.BELLJAR_BUNDLE;
  if (!bundler || !existsSync(bundler)) throw new Error('set BELLJAR_TEST_BUNDLE to the bundled script, or BELLJAR_BUNDLE to a belljar-bundle');
  const out = join(mkdtempSync(join(tmpdir(), 'belljar-test-')), 'test.js');
  execFileSync(bundler, [join(root, '../src/whole.ts'), out]);
  return readFileSync(out, 'utf8');
}
const script = new vm.Script(bundle(), { filename: 'belljar:test' });

const CALLER = { tenant: 't-1', applet: 'demo', version: '1.0.0', user: undefined, organisation: undefined, permissions: [], locale: 'en' };

/** A sandbox in which the files (texts by names) have been evaluated, with `applet` (a text) as the applet's exports. */
export function suite(files, { applet = '{}', handlers = [], custom = [], offered } = {}) {
  const box = sandbox();
  const library = script.runInContext(box.context);
  const names = Object.keys(library).filter((name) => !['beginFile', 'makeRunner'].includes(name));
  const { beginFile, makeRunner } = library;
  const told = [];
  for (const [name, text] of Object.entries(typeof files === 'string' ? { 'a.test.ts': files } : files)) {
    beginFile(name);
    box.run(`({ ${names.join(', ')} }) => { ${text}\n }`)(library);
  }
  const namespace = { ...box.run(`(${applet})`), belljar$test: makeRunner({ handlers, custom }) };
  let answered = 0;
  /** What the host answers operations with. */
  const answers = {
    eventPublish: ([name, payload]) => {
      if (name !== 'belljar.test') {
        told.push({ name, payload });
        return { kind: 'text', text: `evt-${told.length}` };
      }
      const request = JSON.parse(payload);
      if (request.clock !== undefined) box.state.nowUs = request.clock * 1000;
      if (request.secret !== undefined) told.push(request);
      return { kind: 'text', text: JSON.stringify(request.events ? told : request.jobs ? [{ id: 'job_1', handler: 'h', payload: '1', priority: 0, isCancelled: false }] : request.progress ? ['0.5'] : null) };
    },
    customCall: ([capability, name, argument]) => ({ kind: 'text', text: JSON.stringify(`${capability}.${name} of the host got ${argument}`) }),
    httpSend: ([method, url, flat, body]) => {
      if (!url.startsWith('https://api.example.com/')) return { kind: 'error', capability: 'http', code: 'denied', message: `${url} is not in permissions.http` };
      const headers = [];
      for (let i = 0; i < flat.length; i += 2) headers.push([flat[i], flat[i + 1]]);
      const head = Buffer.from(`${JSON.stringify({ method, url, headers })}\n`);
      return { kind: 'response', status: 200, statusText: '', url, redirected: false, headers: ['belljar-echo', '1'], body: new Uint8Array(Buffer.concat([head, Buffer.from(body ?? [])])) };
    },
  };
  async function order(order) {
    const call = { id: 'inv-1', deadlineMs: 1, handler: 'belljar-test', export: 'belljar$test', trigger: 'test', request: undefined, json: JSON.stringify(order), caller: CALLER, ...(offered && { custom: offered }) };
    let settled;
    Promise.resolve(box.driver.call(namespace, call)).then((value) => { settled = { value }; }, (error) => { settled = { error }; });
    for (let round = 0; round < 10_000; round++) {
      await box.settle();
      if (settled !== undefined) break;
      const waiting = box.state.calls.slice(answered);
      answered = box.state.calls.length;
      for (const { id, name, args } of waiting) box.driver.complete(id, answers[name](args));
      if (waiting.length > 0) continue;
      // Time is virtual: it is that of the next timer when nothing else is under way.
      const next = box.driver.nextTimerUs();
      if (next === undefined) throw new Error('it waits for nothing');
      box.state.nowUs = Math.max(box.state.nowUs, next);
      while (box.driver.fireTimer()) await box.settle();
    }
    if (settled?.error) throw settled.error;
    return JSON.parse(settled.value);
  }
  return { box, list: () => order({ list: true }), run: (id) => order({ run: id }) };
}

/** What is told of the failures of one test: messages, each with its difference. */
export async function failures(body, options) {
  const { failed } = await suite(`it('it', async () => { ${body}\n });`, options).run(0);
  return failed.map(({ where, diff, errors }) => `${where === 'test' ? '' : `${where}: `}${errors[0].name === 'AssertionError' ? '' : `${errors[0].name}: `}${errors[0].message}${diff === undefined ? '' : `\n${diff}`}`);
}
