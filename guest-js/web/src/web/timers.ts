// setTimeout and its siblings: a binary heap ordered by due time, then by creation. The engine asks for the earliest and fires one
// at a time, with promise jobs in between.

import { native } from '../native.ts';
import { currentFrame, enterFrame, type Frame } from '../node/async-context.ts';
import { outstanding } from '../operations.ts';
import { apply, mapDelete, mapGet, mapSet, promiseResolve, promiseThen, SavedMap, setPrototypeOf } from '../primordials.ts';
import { reportException } from './report.ts';

type Callback = (...args: unknown[]) => unknown;
interface Timer {
  readonly id: number;
  dueUs: number;
  order: number;
  /** Place in the heap, from 0. */
  at: number;
  readonly callback: Callback;
  readonly args: unknown[];
  /** Microseconds between two runs; undefined for a timeout. */
  readonly everyUs: number | undefined;
  /** Whether a program stays alive for it. */
  readonly keepsAlive: boolean;
  readonly frame: Frame;
}

/** As the HTML standard's `long`: 2^31 - 1 ms is the longest delay. */
const MS = 1000;

// Without a prototype, so that setters on Array.prototype see nothing of it.
const heap = setPrototypeOf([], null) as Timer[];
const timers = new SavedMap<number, Timer>();
let nextId = 1;
let nextOrder = 0;
let keepingAlive = 0;
let isProgram = false;

/** From here on only timers that keep alive make a program wait (as a shell's event loop does). */
export function startProgram(): void { isProgram = true; }

function before(a: Timer, b: Timer): boolean { return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order); }

function put(timer: Timer, at: number): void {
  heap[at] = timer;
  timer.at = at;
}

function up(timer: Timer, from: number): void {
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Timer;
    if (!before(timer, above)) break;
    put(above, at);
    at = parent;
  }
  put(timer, at);
}

function down(timer: Timer, from: number): void {
  const { length } = heap;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= length) break;
    if (child + 1 < length && before(heap[child + 1] as Timer, heap[child] as Timer)) child++;
    if (!before(heap[child] as Timer, timer)) break;
    put(heap[child] as Timer, at);
    at = child;
  }
  put(timer, at);
}

function insert(timer: Timer): void {
  timer.order = nextOrder++;
  if (timer.keepsAlive) keepingAlive++;
  up(timer, heap.length);
}

function remove(timer: Timer): void {
  const last = heap[heap.length - 1] as Timer;
  heap.length--;
  if (timer.keepsAlive) keepingAlive--;
  if (last === timer) return;
  const { at } = timer;
  if (at > 0 && before(last, heap[(at - 1) >> 1] as Timer)) up(last, at);
  else down(last, at);
}

function add(callback: unknown, delay: unknown, repeats: boolean, args: unknown[], keepsAlive: boolean): number {
  if (typeof callback !== 'function') throw new TypeError('the callback of a timer must be a function');
  // Conversion to a 32-bit integer, as Web IDL's `long`; a repeating timer without a delay would never let the host in.
  let ms = (delay as number) | 0;
  if (ms < 0) ms = 0;
  if (repeats && ms < 1) ms = 1;
  const timer: Timer = {
    id: nextId++, dueUs: native.nowUs() + ms * MS, order: 0, at: 0, callback: callback as Callback, args, everyUs: repeats ? ms * MS : undefined, keepsAlive,
    frame: currentFrame(),
  };
  mapSet(timers, timer.id, timer);
  insert(timer);
  return timer.id;
}

function clear(id: unknown): void {
  const timer = mapGet(timers, (id as number) | 0);
  if (timer === undefined) return;
  mapDelete(timers, timer.id);
  // An interval that clears itself is not in the heap while it runs.
  if (heap[timer.at] === timer) remove(timer);
}

export function setTimeout(callback: unknown, delay: unknown = 0, ...args: unknown[]): number { return add(callback, delay, false, args, true); }
export function setInterval(callback: unknown, delay: unknown = 0, ...args: unknown[]): number { return add(callback, delay, true, args, true); }
export function clearTimeout(id: unknown = 0): void { clear(id); }
export function clearInterval(id: unknown = 0): void { clear(id); }
/** A timer that no program stays alive for (AbortSignal.timeout). */
export function backgroundTimeout(callback: () => void, ms: number): number { return add(callback, ms, false, [], false); }
/** A task for the event loop, after those that are due. */
export function runTask(task: () => void): void { add(task, 0, false, [], true); }

export function queueMicrotask(callback: unknown): void {
  if (typeof callback !== 'function') throw new TypeError('queueMicrotask: the callback must be a function');
  void promiseThen(promiseResolve(undefined), () => {
    try {
      (callback as Callback)();
    } catch (error) {
      reportException(error);
    }
  });
}

export function nextTimerUs(): number | undefined {
  if (heap.length === 0 || (isProgram && keepingAlive === 0 && outstanding() === 0)) return undefined;
  return (heap[0] as Timer).dueUs;
}

export function fireTimer(): boolean {
  if (heap.length === 0) return false;
  const timer = heap[0] as Timer;
  const nowUs = native.nowUs();
  if (timer.dueUs > nowUs) return false;
  remove(timer);
  if (timer.everyUs === undefined) mapDelete(timers, timer.id);
  enterFrame(timer.frame);
  try {
    apply(timer.callback, undefined, timer.args);
  } catch (error) {
    reportException(error);
  }
  enterFrame(undefined);
  if (timer.everyUs !== undefined && mapGet(timers, timer.id) === timer) {
    timer.dueUs = nowUs + timer.everyUs;
    insert(timer);
  }
  return true;
}
