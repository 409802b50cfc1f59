// performance.now and timeOrigin (High Resolution Time standard), over the invocation's clock.

import { finishInterface } from '../webidl.ts';
import { now, timeOrigin } from './clock.ts';
import { EventTarget } from './event.ts';

let allowed = true;

class Performance extends EventTarget {
  readonly #isOurs = true;
  constructor() {
    if (!allowed) throw new TypeError('Illegal constructor');
    super();
  }
  get timeOrigin(): number {
    void this.#isOurs;
    return timeOrigin();
  }
  now(): number {
    void this.#isOurs;
    return now();
  }
  toJSON(): { timeOrigin: number } { return { timeOrigin: this.timeOrigin }; }
}
finishInterface(Performance, 'Performance');

export { Performance };
export const performance = new Performance();
allowed = false;
