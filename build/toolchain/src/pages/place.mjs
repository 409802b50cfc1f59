// Where a page is, and in which language.

/** `base` is what the path has before the applet's own, without a slash at its end; `path` is the applet's own. */
export function place(url, route, params) {
  if (url === undefined) return { base: '', path: '' };
  const { pathname } = new URL(url);
  const segments = pathname.slice(1).split('/');
  const parts = route === undefined ? undefined : route.slice(1).split('/');
  for (let at = 0; parts !== undefined && at <= segments.length; at++) {
    if (!matches(segments.slice(at), parts, params)) continue;
    const base = segments.slice(0, at).map((segment) => `/${segment}`).join('');
    // Two slashes would name a host.
    if (!base.startsWith('//')) return { base, path: pathname.slice(base.length) || '/' };
  }
  return { base: '', path: pathname };
}

/** Whether these segments of a path are those that a route has matched. */
function matches(segments, parts, params) {
  const open = parts.at(-1) === '*';
  const fixed = open ? parts.slice(0, -1) : parts;
  // The server ignores a slash at the end.
  if (!open && segments.length === fixed.length + 1 && segments.at(-1) === '') segments = segments.slice(0, -1);
  if (route0(fixed) && segments.length === 0) return true;
  if (open ? segments.length < fixed.length : segments.length !== fixed.length) return false;
  for (let i = 0; i < fixed.length; i++) {
    const part = fixed[i];
    if (decoded(segments[i]) !== (part.startsWith(':') ? params[part.slice(1)] : decoded(part))) return false;
  }
  return !open || decoded(segments.slice(fixed.length).join('/')) === params['*'];
}

/** The route `/`, which `/{tenant}/{applet}` fits without its slash. */
const route0 = (fixed) => fixed.length === 1 && fixed[0] === '';

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Of the applet's locales the one that fits best: the same, a wider or a narrower one, or the first. Without any it is the caller's. */
export function closest(wanted, locales) {
  if (locales.length === 0) return wanted;
  for (let tag = wanted.toLowerCase(); tag !== ''; tag = tag.slice(0, Math.max(tag.lastIndexOf('-'), 0))) {
    const same = locales.find((locale) => locale.toLowerCase() === tag);
    if (same !== undefined) return same;
  }
  const language = wanted.toLowerCase().split('-')[0];
  return locales.find((locale) => locale.toLowerCase().split('-')[0] === language) ?? locales[0];
}
