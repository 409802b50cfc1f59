// node:path: paths as text. There are no files to look at; the working directory is `/`.

import { once } from '../lazy.ts';
import { checkObject, checkString } from './errors.ts';

interface Parts { root?: string; dir?: string; base?: string; name?: string; ext?: string }

/** What differs between the two kinds of paths. */
interface Kind {
  sep: string;
  delimiter: string;
  /** Whether a character separates. */
  separates(character: string | undefined): boolean;
  /** How many characters at the start are the root: `/`, `C:`, `C:\`, `\\server\share\`. */
  rootLength(path: string): number;
}

const posixKind: Kind = {
  sep: '/', delimiter: ':',
  separates: (character) => character === '/',
  rootLength: (path) => (path[0] === '/' ? 1 : 0),
};

const isBackOrForward = (character: string | undefined): boolean => character === '/' || character === '\\';

const windowsKind: Kind = {
  sep: '\\', delimiter: ';',
  separates: isBackOrForward,
  rootLength: (path) => {
    if (isBackOrForward(path[0])) {
      const share = /^[\\/]{2}[^\\/]+[\\/]+[^\\/]+(?:[\\/]|$)/.exec(path);
      return share === null ? 1 : share[0].length;
    }
    if (/^[A-Za-z]:/.test(path)) return isBackOrForward(path[2]) ? 3 : 2;
    return 0;
  },
};

function segments(path: string, kind: Kind): string[] {
  const list: string[] = [];
  let from = 0;
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && !kind.separates(path[i])) continue;
    if (i > from) list.push(path.slice(from, i));
    from = i + 1;
  }
  return list;
}

/** Takes `.` and `..` out; above the root there is nothing, above a relative path there is. */
function settle(list: readonly string[], isAbsolute: boolean): string[] {
  const out: string[] = [];
  for (const part of list) {
    if (part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.length > 0 && out[out.length - 1] !== '..') out.pop();
    else if (!isAbsolute) out.push('..');
  }
  return out;
}

function makePath(kind: Kind): Record<string, unknown> {
  const { sep } = kind;
  const isWindows = sep === '\\';
  const rootOf = (path: string): string => path.slice(0, kind.rootLength(path));
  /** Whether a root leads to the top: `C:` alone does not. */
  const absolute = (root: string): boolean => root !== '' && !(isWindows && /^[A-Za-z]:$/.test(root));
  const shownRoot = (root: string): string => {
    if (!isWindows) return root;
    const text = root.replace(/\//g, '\\');
    return text.startsWith('\\\\') ? `${text.replace(/^\\+/, '\\\\').replace(/\\+$/, '').replace(/([^\\])\\+/g, '$1\\')}\\` : text;
  };

  function normalize(path: unknown): string {
    checkString(path, 'path');
    if (path === '') return '.';
    const root = rootOf(path);
    const isAbsolute = absolute(root);
    let body = settle(segments(path.slice(root.length), kind), isAbsolute).join(sep);
    if (body === '' && !isAbsolute) body = '.';
    if (body !== '' && path.length > root.length && kind.separates(path[path.length - 1])) body += sep;
    return shownRoot(root) + body;
  }

  function isAbsolute(path: unknown): boolean {
    checkString(path, 'path');
    return absolute(rootOf(path));
  }

  function join(...paths: unknown[]): string {
    let joined = '';
    for (const path of paths) {
      checkString(path, 'path');
      if (path !== '') joined = joined === '' ? path : `${joined}${sep}${path}`;
    }
    if (joined === '') return '.';
    // Joining must not make a share of two separators.
    if (isWindows && /^[\\/]{2}/.test(joined) && !/^[\\/]{2}[^\\/]/.test(paths.find((path) => path !== '') as string)) joined = joined.replace(/^[\\/]+/, '\\');
    return normalize(joined);
  }

  function resolve(...paths: unknown[]): string {
    // A drive or a share, and whether what was found so far begins at its top.
    let device = '';
    let isTop = false;
    let tail = '';
    for (let i = paths.length - 1; i >= 0 && !(isTop && (device !== '' || !isWindows)); i--) {
      const text = paths[i];
      checkString(text, `paths[${i}]`);
      if (text === '') continue;
      const root = rootOf(text);
      const own = isWindows ? shownRoot(root).replace(/\\+$/, '') : '';
      if (own !== '' && device !== '' && own.toLowerCase() !== device.toLowerCase()) continue;
      if (device === '') device = own;
      if (isTop) continue;
      tail = tail === '' ? text.slice(root.length) : `${text.slice(root.length)}${sep}${tail}`;
      isTop = absolute(root);
    }
    // What is relative still, is so to the working directory.
    return `${device}${sep}${settle(segments(tail, kind), true).join(sep)}`;
  }

  function relative(from: unknown, to: unknown): string {
    checkString(from, 'from');
    checkString(to, 'to');
    if (from === to) return '';
    const [start, end] = [resolve(from), resolve(to)];
    const fold = (text: string): string => (isWindows ? text.toLowerCase() : text);
    if (fold(start) === fold(end)) return '';
    if (fold(rootOf(start)) !== fold(rootOf(end))) return end;
    const [left, right] = [segments(start.slice(kind.rootLength(start)), kind), segments(end.slice(kind.rootLength(end)), kind)];
    let same = 0;
    while (same < left.length && same < right.length && fold(left[same] as string) === fold(right[same] as string)) same++;
    return [...left.slice(same).map(() => '..'), ...right.slice(same)].join(sep);
  }

  /** Where the last segment begins and ends; of a share it is the share, which is also the root. */
  function lastSegment(path: string, root = kind.separates(path[0]) && kind.separates(path[1]) ? 1 : kind.rootLength(path)): [number, number] {
    let end = path.length;
    while (end > root && kind.separates(path[end - 1])) end--;
    let start = end;
    while (start > root && !kind.separates(path[start - 1])) start--;
    return [start, end];
  }

  function dirname(path: unknown): string {
    checkString(path, 'path');
    if (path === '') return '.';
    const root = kind.rootLength(path);
    const [start] = lastSegment(path, root);
    if (start <= root) return root > 0 ? path.slice(0, root) : '.';
    // One separator goes, even where there are more.
    if (start - 1 <= root && root > 0) return path.startsWith('//') && !isWindows ? '//' : path.slice(0, root);
    return path.slice(0, start - 1);
  }

  function basename(path: unknown, suffix?: unknown): string {
    if (suffix !== undefined) checkString(suffix, 'suffix');
    checkString(path, 'path');
    const [start, end] = lastSegment(path);
    // What a suffix leaves nothing of, is left as it is: of a path of separators only, the separators.
    const base = start === end && typeof suffix === 'string' && suffix !== '' && suffix.length <= path.length ? path.slice(isWindows && /^[A-Za-z]:/.test(path) ? 2 : 0) : path.slice(start, end);
    return typeof suffix === 'string' && suffix !== base && base.endsWith(suffix) ? base.slice(0, base.length - suffix.length) : base;
  }

  function extname(path: unknown): string {
    checkString(path, 'path');
    const base = basename(path);
    const dot = base.lastIndexOf('.');
    return dot <= 0 || base === '..' ? '' : base.slice(dot);
  }

  function format(parts: unknown): string {
    checkObject(parts, 'pathObject');
    const { root, dir, base, name, ext } = parts as Parts;
    const folder = dir || root;
    const file = base || `${name || ''}${ext ? (ext.startsWith('.') ? ext : `.${ext}`) : ''}`;
    if (!folder) return file;
    return folder === root ? `${folder}${file}` : `${folder}${sep}${file}`;
  }

  function parse(path: unknown): Parts {
    checkString(path, 'path');
    const root = rootOf(path);
    const [start, last] = lastSegment(path, root.length);
    const base = path.slice(start, last);
    // Node's own oddity: behind the root, `..` ends in a dot.
    const ext = base === '..' && start > 0 && start === root.length && !isWindows ? '.' : extname(base);
    let end = start;
    if (end > root.length) end--;
    const dir = start <= root.length ? root : path.slice(0, end);
    return { root, dir, base, ext, name: base.slice(0, base.length - ext.length) };
  }

  return {
    resolve, normalize, isAbsolute, join, relative, toNamespacedPath: (path: unknown): unknown => path, dirname, basename, extname, format, parse,
    sep, delimiter: kind.delimiter,
  };
}

export const path = once(() => {
  const posix = makePath(posixKind);
  const win32 = makePath(windowsKind);
  Object.assign(posix, { win32, posix });
  Object.assign(win32, { win32, posix });
  return posix;
});
