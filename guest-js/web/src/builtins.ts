// The language's own functions come into being when they are first read. Those that programs use most are made once, in the base image:
// else every call that uses one would make it anew, and write to its prototype's page.

const OFTEN_USED: readonly object[] = [
  Array, Array.prototype, ArrayBuffer.prototype, BigInt, Boolean.prototype, Date, Date.prototype, Error.prototype, Function.prototype, JSON, Map.prototype, Math,
  Number, Number.prototype, Object, Object.prototype, Promise, Promise.prototype, Reflect, RegExp.prototype, Set.prototype, String, String.prototype,
  Symbol, Symbol.prototype, WeakMap.prototype, WeakSet.prototype, Object.getPrototypeOf(Uint8Array), Object.getPrototypeOf(Uint8Array.prototype),
  ...[[][Symbol.iterator](), new Map().entries(), new Set().values(), ''[Symbol.iterator](), (function* () {})(), (async function* () {})()].map(
    (iterator) => Object.getPrototypeOf(iterator) as object),
];

export function makeOftenUsed(): void {
  for (const holder of OFTEN_USED) Object.getOwnPropertyDescriptors(holder);
}
