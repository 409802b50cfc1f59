// Hosts of URLs (URL standard, 3): names, IPv4 in all its spellings, IPv6 literals, opaque hosts. Names outside ASCII need IDNA,
// which comes with a later issue.

import { charCodeAt, matches } from '../primordials.ts';
import { C0_CONTROL, hexDigit, percentDecode, percentEncode } from './percent.ts';

const FORBIDDEN_HOST = /[\0\t\n\r #/:<>?@[\\\]^|]/;
const FORBIDDEN_DOMAIN = /[\0-\x20#%/:<>?@[\\\]^|\x7f]/;

/** Names that stay as they are: lower-case labels of which the last is no number. */
const PLAIN = /^(?:[a-z0-9_-]+\.)*[a-z][a-z0-9_-]*$/;

/** The serialised host; undefined when it is not valid. */
export function parseHost(input: string, special: boolean): string | undefined {
  if (special && matches(PLAIN, input)) return input;
  if (input[0] === '[') {
    if (input[input.length - 1] !== ']') return undefined;
    const pieces = parseIpv6(input.slice(1, -1));
    return pieces === undefined ? undefined : `[${serializeIpv6(pieces)}]`;
  }
  if (!special) return FORBIDDEN_HOST.test(input) ? undefined : percentEncode(input, C0_CONTROL);
  const decoded = percentDecode(input);
  for (let i = 0; i < decoded.length; i++) {
    if (charCodeAt(decoded, i) > 0x7f) throw new TypeError(`the host "${decoded}" has characters beyond ASCII: international names (IDNA) are not supported yet; write its xn-- form`);
  }
  const domain = decoded.toLowerCase();
  if (domain === '' || FORBIDDEN_DOMAIN.test(domain)) return undefined;
  if (!endsInNumber(domain)) return domain;
  const address = parseIpv4(domain);
  return address === undefined ? undefined : serializeIpv4(address);
}

function endsInNumber(domain: string): boolean {
  const parts = domain.split('.');
  if (parts[parts.length - 1] === '') {
    if (parts.length === 1) return false;
    parts.pop();
  }
  const last = parts[parts.length - 1] as string;
  return /^[0-9]+$/.test(last) || /^0[xX][0-9A-Fa-f]*$/.test(last);
}

function ipv4Number(text: string): number | undefined {
  if (text === '') return undefined;
  if (/^0[xX]/.test(text)) {
    const digits = text.slice(2);
    if (digits === '') return 0;
    return /^[0-9A-Fa-f]+$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
  }
  if (text.length > 1 && text[0] === '0') return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
  return /^[0-9]+$/.test(text) ? Number.parseInt(text, 10) : undefined;
}

function parseIpv4(domain: string): number | undefined {
  const parts = domain.split('.');
  if (parts[parts.length - 1] === '' && parts.length > 1) parts.pop();
  if (parts.length > 4) return undefined;
  let address = 0;
  for (let i = 0; i < parts.length; i++) {
    const number = ipv4Number(parts[i] as string);
    if (number === undefined) return undefined;
    if (i < parts.length - 1) {
      if (number > 255) return undefined;
      address += number * 256 ** (3 - i);
    } else {
      // The last part fills all bytes that are left.
      if (number >= 256 ** (5 - parts.length)) return undefined;
      address += number;
    }
  }
  return address;
}

function serializeIpv4(address: number): string { return `${Math.floor(address / 2 ** 24)}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`; }

function parseIpv6(input: string): number[] | undefined {
  const pieces = [0, 0, 0, 0, 0, 0, 0, 0];
  let index = 0;
  let compress: number | undefined;
  let at = 0;
  if (input[0] === ':') {
    if (input[1] !== ':') return undefined;
    at = 2;
    index = 1;
    compress = 1;
  }
  while (at < input.length) {
    if (index === 8) return undefined;
    if (input[at] === ':') {
      if (compress !== undefined) return undefined;
      at++;
      index++;
      compress = index;
      continue;
    }
    let value = 0;
    let length = 0;
    while (length < 4 && at < input.length) {
      const digit = hexDigit(charCodeAt(input, at));
      if (digit < 0) break;
      value = value * 16 + digit;
      at++;
      length++;
    }
    if (input[at] === '.') {
      if (length === 0 || index > 6) return undefined;
      const bytes = dotted(input.slice(at - length));
      if (bytes === undefined) return undefined;
      pieces[index++] = (bytes[0] as number) * 256 + (bytes[1] as number);
      pieces[index++] = (bytes[2] as number) * 256 + (bytes[3] as number);
      at = input.length;
      break;
    }
    if (input[at] === ':') {
      at++;
      if (at === input.length) return undefined;
    } else if (at < input.length) return undefined;
    pieces[index++] = value;
  }
  if (compress !== undefined) {
    let swaps = index - compress;
    index = 7;
    while (index !== 0 && swaps > 0) {
      const other = compress + swaps - 1;
      [pieces[index], pieces[other]] = [pieces[other] as number, pieces[index] as number];
      index--;
      swaps--;
    }
    return pieces;
  }
  return index === 8 ? pieces : undefined;
}

/** The IPv4 end of an IPv6 address: four decimal numbers without leading zeros. */
function dotted(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes: number[] = [];
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes.push(Number(part));
  }
  return bytes;
}

function serializeIpv6(pieces: readonly number[]): string {
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && pieces[i + length] === 0) length++;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
    if (length > 0) i += length - 1;
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === best) {
      text += i === 0 ? '::' : ':';
      i += bestLength - 1;
      continue;
    }
    text += (pieces[i] as number).toString(16);
    if (i < 7) text += ':';
  }
  return text;
}
