// sdk.kv: promises over the key-value operations. A value is what JSON can hold, or bytes; it comes back as what it was.

import type { KvValue, Outcome } from '../bindings.ts';
import { native } from '../native.ts';
import { operate, unexpected } from '../operations.ts';
import { freeze, isArray, jsonParse, push, toWellFormed } from '../primordials.ts';
import { bytesOf } from '../webidl.ts';
import { json, milliseconds, options, optionalText, text } from './options.ts';

const PAGE = 100;

/** A lone surrogate would become another character, and two keys one. */
function keyText(value: unknown, what: string): string {
  const key = text(value, what);
  if (toWellFormed(key) !== key) throw new TypeError(`${what} is no well-formed text`);
  return key;
}

function toHost(value: unknown): KvValue { return bytesOf(value) ?? json(value, 'the value'); }

function fromHost(value: KvValue | undefined): unknown { return typeof value === 'string' ? jsonParse(value) : value; }

function ttl(given: unknown, what: string): number | undefined {
  const { ttlMs } = options(given, what, ['ttlMs']);
  return ttlMs === undefined ? undefined : milliseconds(ttlMs, 'ttlMs', 1);
}

function toOne(outcome: Outcome): unknown { return outcome.kind === 'values' ? fromHost(outcome.values[0]) : unexpected(outcome); }

function toMany(outcome: Outcome): unknown[] {
  if (outcome.kind !== 'values') return unexpected(outcome);
  const all: unknown[] = [];
  for (let i = 0; i < outcome.values.length; i++) push(all, fromHost(outcome.values[i]));
  return all;
}

function toDone(outcome: Outcome): void { if (outcome.kind !== 'ended') unexpected(outcome); }
function toFlag(outcome: Outcome): boolean { return outcome.kind === 'flag' ? outcome.flag : unexpected(outcome); }
function toNumber(outcome: Outcome): number { return outcome.kind === 'number' ? outcome.number : unexpected(outcome); }

/** The cursor is the last key: whoever has one can read where it leads. */
function toPage(outcome: Outcome): { keys: string[]; cursor: string | undefined } {
  if (outcome.kind !== 'keys') return unexpected(outcome);
  const { keys, hasMore } = outcome;
  return { keys, cursor: hasMore ? keys[keys.length - 1] : undefined };
}

function keysOf(keys: unknown): string[] {
  if (!isArray(keys)) throw new TypeError('mget: the keys must be an array');
  const texts: string[] = [];
  for (let i = 0; i < keys.length; i++) push(texts, keyText(keys[i], `key ${i}`));
  return texts;
}

function added(by: unknown): number {
  if (typeof by !== 'number' || by % 1 !== 0 || by > 2 ** 53 - 1 || by < -(2 ** 53 - 1)) throw new RangeError('increment: the number must be a safe integer');
  return by;
}

function listed(given: unknown): number {
  const { prefix = '', cursor, limit = PAGE } = options(given, 'list', ['prefix', 'cursor', 'limit']);
  if (typeof limit !== 'number' || !(limit >= 1) || limit % 1 !== 0 || limit > 2 ** 32 - 1) throw new RangeError('list: the limit must be a whole number, at least 1');
  const after = optionalText(cursor, 'cursor');
  return native.kvList(keyText(prefix, 'prefix'), after === undefined ? undefined : keyText(after, 'cursor'), limit);
}

function compared(key: unknown, expected: unknown, value: unknown, given: unknown): number {
  const wanted = expected === undefined ? undefined : toHost(expected);
  return native.kvCompareAndSet(keyText(key, 'the key'), wanted, value === undefined ? undefined : toHost(value), ttl(given, 'compareAndSet'));
}

export const kv = freeze({
  get: (key: unknown): Promise<unknown> => operate(() => native.kvGet([keyText(key, 'the key')]), toOne),
  mget: (keys: unknown): Promise<unknown[]> => operate(() => native.kvGet(keysOf(keys)), toMany),
  set: (key: unknown, value: unknown, given?: unknown): Promise<void> =>
    operate(() => native.kvSet(keyText(key, 'the key'), toHost(value), ttl(given, 'set')), toDone),
  delete: (key: unknown): Promise<boolean> => operate(() => native.kvDelete(keyText(key, 'the key')), toFlag),
  increment: (key: unknown, by: unknown = 1, given?: unknown): Promise<number> =>
    operate(() => native.kvIncrement(keyText(key, 'the key'), added(by), ttl(given, 'increment')), toNumber),
  compareAndSet: (key: unknown, expected: unknown, value: unknown, given?: unknown): Promise<boolean> =>
    operate(() => compared(key, expected, value, given), toFlag),
  list: (given?: unknown): Promise<{ keys: string[]; cursor: string | undefined }> => operate(() => listed(given), toPage),
});
