// The types of guest-js/sdk against the sandbox itself: what is declared is there, and what is there is declared.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { sandbox } from './harness.mjs';

const folder = new URL('../../sdk/globals/', import.meta.url);
const text = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n');

/** Declarations have one member on each line, as this folder is written. */
const MEMBER = /^  (?:readonly )?(\w+)\??(?:<[^(]*>)?[(:]/gm;
const membersOf = (body) => [...body.matchAll(MEMBER)].map(([, name]) => name).filter((name) => name !== 'new' && name !== 'prototype');
const interfaces = new Map([...text.matchAll(/^interface (\w+)(?:<[^{]*>)?(?: extends ([^{]+))? \{\n([^]*?)^\}/gm)].map(
  ([, name, parents = '', body]) => [name, { parents: parents.replaceAll(/<[^>]*>/g, '').split(', ').filter(Boolean), members: membersOf(body) }]));
const variables = new Map([...text.matchAll(/^declare var (\w+): (?:(\w+);|[^\n{]*(?:\{\n([^]*?)^\})?)/gm)].map(
  ([, name, type, statics = '']) => [name, { type, statics: membersOf(statics) }]));
/** Variables that are no interface's constructor and no object of one. */
const bare = new Set(['self', 'onerror', 'onunhandledrejection', 'onrejectionhandled']);
/** Node's, whose types are `@types/node`: two declarations of them would collide (docs/node.md). */
const typedElsewhere = ['Buffer', 'process', 'setImmediate', 'clearImmediate', 'global'];
const functions = [...text.matchAll(/^declare function (\w+)/gm)].map(([, name]) => name);

function declared(name) {
  const { parents, members } = interfaces.get(name) ?? { parents: [], members: [] };
  return [...members, ...parents.flatMap(declared)];
}

const box = sandbox();
const plain = new Set(vm.runInNewContext('Reflect.ownKeys(globalThis)'));
/** Evaluated there: names of a global's own members, and of its prototype's. */
const look = box.run(`(name) => {
  const value = globalThis[name];
  const own = (object) => Reflect.ownKeys(object).filter((key) => typeof key === 'string');
  const prototype = typeof value === 'function' ? value.prototype : Object.getPrototypeOf(value);
  const statics = typeof value === 'function' ? own(value).filter((key) => !['length', 'name', 'prototype'].includes(key)) : own(value);
  return { statics, members: typeof prototype === 'object' && prototype !== null ? own(prototype).filter((key) => key !== 'constructor') : [] };
}`);

test('every global of the sandbox has a type', () => {
  const found = [...box.run('Reflect.ownKeys(globalThis)')].filter((name) => typeof name === 'string' && (!plain.has(name) || name === 'console'));
  assert.ok(found.length > 50);
  const known = new Set([...variables.keys(), ...functions, ...typedElsewhere, 'sdk']);
  assert.deepEqual(found.filter((name) => !known.has(name)), []);
});

test('every member of the sandbox has a type', () => {
  // What is deprecated is left out on purpose.
  const hidden = {
    DOMException: ['stack'],
    Event: ['initEvent'], CustomEvent: ['initCustomEvent'], MessageEvent: ['initMessageEvent'],
  };
  for (const [name, { type, statics }] of variables) {
    if (bare.has(name)) continue;
    const { statics: own, members } = look(name);
    const there = { statics: [...own], members: [...members] };
    if (type !== undefined) {
      assert.deepEqual(there.statics.filter((member) => !declared(type).includes(member)), [], name);
      continue;
    }
    const constants = (member) => /^[A-Z_]+$/.test(member);
    assert.deepEqual(there.statics.filter((member) => !statics.includes(member) && !constants(member)), [], `${name}, static`);
    const untyped = there.members.filter((member) => !declared(name).includes(member) && !constants(member) && hidden[name]?.includes(member) !== true);
    assert.deepEqual(untyped, [], name);
  }
});

test('whatever has a type is there', () => {
  for (const name of functions) assert.equal(box.run(`typeof ${name}`), 'function', name);
  for (const name of bare) assert.ok(box.run(`'${name}' in globalThis`), name);
  assert.ok(box.run("'isTrusted' in new Event('x')"));
  for (const [name, { type, statics }] of variables) {
    if (bare.has(name)) continue;
    for (const member of statics) assert.ok(box.run(`${JSON.stringify(member)} in ${name}`), `${name}.${member}`);
    const holder = type === undefined ? `${name}.prototype` : name;
    // An own property of each event, which nobody can replace.
    const members = declared(type ?? name).filter((member) => member !== 'isTrusted');
    for (const member of members) assert.ok(box.run(`${JSON.stringify(member)} in ${holder}`), `${holder}.${member}`);
  }
});
