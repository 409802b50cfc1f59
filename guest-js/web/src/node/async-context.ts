// The asynchronous context: which store each AsyncLocalStorage has at this point of the program. The engine carries one value through
// promise jobs and ticks (guest-js/engine/c/quickjs.insertions); here that value is a frame, and timers carry it as well. Frames never
// change: whoever sets a store makes a new one.

import { native } from '../native.ts';
import { push } from '../primordials.ts';

/** Key, store, key, store, …: a program has one or two keys. */
export type Frame = readonly unknown[] | undefined;

/** Whether anything has set a store in this sandbox: until then nobody pays for asking. */
let used = false;

export function currentFrame(): Frame { return used ? (native.asyncContext() as Frame) : undefined; }

/** Makes a frame the current one; answers the one before. */
export function enterFrame(frame: Frame): Frame {
  if (!used) {
    if (frame === undefined) return undefined;
    used = true;
  }
  return native.asyncContext(frame) as Frame;
}

export function storeOf(frame: Frame, key: object): unknown {
  if (frame === undefined) return undefined;
  for (let i = 0; i < frame.length; i += 2) if (frame[i] === key) return frame[i + 1];
  return undefined;
}

/** A frame like another, but for one store; without an entry for it when that is undefined. */
export function frameWith(frame: Frame, key: object, store: unknown): Frame {
  const list: unknown[] = [];
  if (frame !== undefined) {
    for (let i = 0; i < frame.length; i += 2) {
      if (frame[i] === key) continue;
      push(list, frame[i]);
      push(list, frame[i + 1]);
    }
  }
  if (store !== undefined) {
    push(list, key);
    push(list, store);
  }
  return list.length === 0 ? undefined : list;
}
