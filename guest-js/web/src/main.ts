// Installs the web platform on globalThis and makes the driver the engine calls. Evaluated once, when the base image is made; reads
// no clock and no randomness. Bundled as an IIFE with a name, wrapped so that the script's value is the default export and nothing of
// it becomes a global: `(() => { var __belljar = (…)(); return __belljar })()`, or `.default` of it when the bundler exports a namespace.

import type { CustomCapabilities, Driver, Native } from './bindings.ts';
import { makeOftenUsed } from './builtins.ts';
import { runCall } from './driver/call.ts';
import { report } from './driver/failure.ts';
import { installIntl } from './intl/intl.ts';
import { bindNative } from './native.ts';
import { builtinExports, installNode } from './node/modules.ts';
import { complete, outstanding } from './operations.ts';
import { restricted, sdk } from './sdk.ts';
import { beginCustom } from './sdk/custom.ts';
import { consoleObject, print } from './web/console.ts';
import { startClock } from './web/clock.ts';
import { installPlatform } from './web/platform.ts';
import { handled, rejected, startReporting } from './web/report.ts';
import { fireTimer, nextTimerUs, startProgram } from './web/timers.ts';
import { installGlobal } from './webidl.ts';

function shell(grants: string[], locales: string[], custom: CustomCapabilities): void {
  startClock();
  startProgram();
  startReporting(true);
  installGlobal('print', print);
  beginCustom(custom);
  const parts = restricted(grants, custom.length > 0);
  if (parts === undefined) delete (globalThis as Record<string, unknown>)['sdk'];
  else installGlobal('sdk', parts);
  if (locales.length > 0) installIntl(locales);
}

function whenRejected(promise: object, reason: unknown): boolean {
  try {
    return rejected(promise, reason);
  } catch {
    // Nothing may escape: the engine calls this between jobs.
    return true;
  }
}

function whenHandled(promise: object, reason: unknown): void {
  try {
    handled(promise, reason);
  } catch { /* As above. */ }
}

export default function main(engine: Native): Driver {
  bindNative(engine);
  makeOftenUsed();
  installPlatform();
  installNode();
  installGlobal('console', consoleObject);
  installGlobal('sdk', sdk);
  return { call: runCall, shell, locales: installIntl, complete, outstanding, nextTimerUs, fireTimer, builtinModule: builtinExports, report, rejected: whenRejected, handled: whenHandled };
}
