// Numbers in a Buffer: readUInt8 to writeDoubleBE, with Node's checks and errors.

import { defineProperty } from '../primordials.ts';
import { checkNumber, codedError, invalidType, outOfRange } from './errors.ts';

function checkOffset(offset: unknown, bytes: Uint8Array, width: number): number {
  if (offset === undefined) offset = 0;
  if (typeof offset !== 'number') throw invalidType('offset', 'number', offset);
  const most = bytes.length - width;
  if (Number.isInteger(offset) && offset >= 0 && offset <= most) return offset;
  if (!Number.isInteger(offset)) throw outOfRange('offset', 'an integer', offset);
  if (most < 0) throw codedError(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds');
  throw outOfRange('offset', `>= 0 and <= ${most}`, offset);
}

function checkWidth(width: unknown): number {
  if (width === undefined) throw invalidType('byteLength', 'number', width);
  checkNumber(width, 'byteLength');
  if (!Number.isInteger(width)) throw outOfRange('byteLength', 'an integer', width);
  if (width < 1 || width > 6) throw outOfRange('byteLength', '>= 1 and <= 6', width);
  return width;
}

/** An unsigned integer of 1 to 6 bytes: products, since bit operations know 32 bits. */
function readUnsigned(bytes: Uint8Array, at: number, width: number, little: boolean): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[little ? at + width - 1 - i : at + i] as number);
  return value;
}

function readSigned(bytes: Uint8Array, at: number, width: number, little: boolean): number {
  const value = readUnsigned(bytes, at, width, little);
  return value >= 2 ** (8 * width - 1) ? value - 2 ** (8 * width) : value;
}

function range(least: number | bigint, most: number | bigint, width: number, signed: boolean): string {
  const n = typeof least === 'bigint' ? 'n' : '';
  if (width <= 4 && typeof least === 'number') return `>= ${least} and <= ${most}`;
  const bits = width * 8;
  return signed ? `>= -(2${n} ** ${bits - 1}${n}) and < 2${n} ** ${bits - 1}${n}` : `>= 0${n} and < 2${n} ** ${bits}${n}`;
}

function writeInteger(bytes: Uint8Array, given: unknown, at: number, width: number, little: boolean, signed: boolean): number {
  const value = Number(given);
  const least = signed ? -(2 ** (8 * width - 1)) : 0;
  const most = signed ? 2 ** (8 * width - 1) - 1 : 2 ** (8 * width) - 1;
  if (value > most || value < least) throw outOfRange('value', range(least, most, width, signed), value);
  let rest = Math.trunc(value) || 0;
  if (rest < 0) rest += 2 ** (8 * width);
  for (let i = 0; i < width; i++) {
    bytes[little ? at + i : at + width - 1 - i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + width;
}

function copyIn(bytes: Uint8Array, at: number, scratch: Uint8Array, little: boolean): number {
  const { length } = scratch;
  for (let i = 0; i < length; i++) bytes[at + i] = scratch[little ? i : length - 1 - i] as number;
  return at + length;
}

function copyOut(bytes: Uint8Array, at: number, scratch: Uint8Array, little: boolean): void {
  const { length } = scratch;
  for (let i = 0; i < length; i++) scratch[little ? i : length - 1 - i] = bytes[at + i] as number;
}

type Method = (this: Uint8Array, ...args: unknown[]) => unknown;

/** Puts the methods on Buffer's prototype. */
export function addNumbers(prototype: object): void {
  const float32 = new Float32Array(1);
  const float64 = new Float64Array(1);
  const integer64 = new BigInt64Array(float64.buffer);
  const unsigned64 = new BigUint64Array(float64.buffer);
  const bytes32 = new Uint8Array(float32.buffer);
  const bytes64 = new Uint8Array(float64.buffer);
  const add = (names: readonly string[], method: Method): void => {
    for (const name of names) defineProperty(prototype, name, { value: method, writable: true, configurable: true, enumerable: true });
  };
  /** Node has each name that says `UInt` also with `Uint`. */
  const both = (name: string): string[] => (name.includes('UInt') ? [name, name.replace('UInt', 'Uint')] : [name]);
  for (const signed of [false, true]) {
    const kind = signed ? 'Int' : 'UInt';
    const read = signed ? readSigned : readUnsigned;
    for (const bits of [8, 16, 32]) {
      const width = bits / 8;
      for (const order of bits === 8 ? [''] : ['LE', 'BE']) {
        const little = order === 'LE';
        add(both(`read${kind}${bits}${order}`), function (offset) { return read(this, checkOffset(offset, this, width), width, little); });
        add(both(`write${kind}${bits}${order}`), function (value, offset) {
          return writeInteger(this, value, checkOffset(offset, this, width), width, little, signed);
        });
      }
    }
    for (const order of ['LE', 'BE']) {
      const little = order === 'LE';
      add(both(`read${kind}${order}`), function (offset, byteLength) {
        if (offset === undefined) throw invalidType('offset', 'number', offset);
        const width = checkWidth(byteLength);
        return read(this, checkOffset(offset, this, width), width, little);
      });
      add(both(`write${kind}${order}`), function (value, offset, byteLength) {
        if (offset === undefined) throw invalidType('offset', 'number', offset);
        const width = checkWidth(byteLength);
        return writeInteger(this, value, checkOffset(offset, this, width), width, little, signed);
      });
      const big = signed ? integer64 : unsigned64;
      const least = signed ? -(2n ** 63n) : 0n;
      const most = signed ? 2n ** 63n - 1n : 2n ** 64n - 1n;
      add(both(`readBig${kind}64${order}`), function (offset) {
        copyOut(this, checkOffset(offset, this, 8), bytes64, little);
        return big[0];
      });
      add(both(`writeBig${kind}64${order}`), function (value, offset) {
        if (typeof value !== 'bigint') throw invalidType('value', 'bigint', value);
        if (value < least || value > most) throw outOfRange('value', range(least, most, 8, signed), value);
        const at = checkOffset(offset, this, 8);
        big[0] = value;
        return copyIn(this, at, bytes64, little);
      });
    }
  }
  for (const order of ['LE', 'BE']) {
    const little = order === 'LE';
    add([`readFloat${order}`], function (offset) {
      copyOut(this, checkOffset(offset, this, 4), bytes32, little);
      return float32[0];
    });
    add([`readDouble${order}`], function (offset) {
      copyOut(this, checkOffset(offset, this, 8), bytes64, little);
      return float64[0];
    });
    add([`writeFloat${order}`], function (value, offset) {
      float32[0] = Number(value);
      return copyIn(this, checkOffset(offset, this, 4), bytes32, little);
    });
    add([`writeDouble${order}`], function (value, offset) {
      float64[0] = Number(value);
      return copyIn(this, checkOffset(offset, this, 8), bytes64, little);
    });
  }
}
