// process.nextTick: callbacks that run when the running code has returned, before promise jobs, in the engine's own order.

import { native } from '../native.ts';
import { apply } from '../primordials.ts';
import { reportException } from '../web/report.ts';
import { checkFunction } from './errors.ts';

export function nextTick(callback: unknown, ...args: unknown[]): void {
  checkFunction(callback, 'callback');
  native.nextTick(() => {
    try {
      apply(callback, undefined, args as never[]);
    } catch (error) {
      reportException(error);
    }
  });
}
