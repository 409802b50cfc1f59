// The page's data as JSON text that may stand in a script element.

/** Characters that could end the element or begin a comment in it, and those that JavaScript once took for line ends. */
const SPECIAL = /[<>&\u2028\u2029]/g;

/** @throws {TypeError} when something would not come back as what it was: it names the member. */
export function jsonText(value) {
  check(value.props, 'props', new Set());
  return JSON.stringify(value).replace(SPECIAL, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function check(value, path, open) {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return;
    case 'number':
      if (Number.isFinite(value)) return;
      throw refused(path, String(value));
    case 'object':
      if (value === null) return;
      break;
    default:
      throw refused(path, typeof value === 'bigint' ? 'a BigInt' : typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`);
  }
  if (open.has(value)) throw refused(path, 'an object that contains itself');
  open.add(value);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) check(value[i], `${path}[${i}]`, open);
  } else {
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype) throw refused(path, `a ${prototype.constructor?.name || 'class instance'}`);
    for (const key of Object.keys(value)) check(value[key], /^[\w$]+$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`, open);
  }
  open.delete(value);
}

function refused(path, what) {
  const hint = what === 'undefined' ? 'leave the member out, or use null' : 'have load() turn it into text, numbers, arrays and plain objects';
  return new TypeError(`${path} is ${what}, which JSON does not have: ${hint} (or set "hydrate: false": then no data is sent to the browser)`);
}
