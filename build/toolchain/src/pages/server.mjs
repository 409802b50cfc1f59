// The handlers of pages: load the props, render the document, stream it. The same in the sandbox and in processes, and React's build for
// runtimes with web streams in both, so that the bytes are the same. Nothing here asks for the time or for chance.

import { createElement } from 'react';
import { renderToReadableStream } from 'react-dom/server.edge';
import { Document } from 'belljar:page/document';
import { jsonText } from 'belljar:page/json';
import { closest, place } from 'belljar:page/place';

/** Names of props that are taken: React's own, and ours. */
const TAKEN = ['page', 'key', 'ref'];

const isResponse = (value) => Object.prototype.toString.call(value) === '[object Response]';
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Of a page the handler: `module` is its component's file, `route` its path as the manifest has it, `script` and `styles` are files of the
 * package, `locales` those of the manifest.
 */
export function handler(module, { name, route, script, styles, locales }) {
  return async function (context, payload) {
    const { default: Page, load } = module;
    let props = load === undefined ? payload : await load(context, payload);
    if (isResponse(props)) return props;
    props ??= {};
    if (!isObject(props)) {
      const from = load === undefined ? 'the payload' : 'what load() returns';
      throw new TypeError(`the props of the page "${name}" are an object: ${from} is ${Array.isArray(props) ? 'an array' : typeof props}`);
    }
    for (const prop of TAKEN) {
      if (Object.hasOwn(props, prop)) throw new TypeError(`the page "${name}" cannot have a prop "${prop}": the name is taken`);
    }
    const { base, path } = place(context.request?.url, route, context.params);
    const page = {
      locale: closest(context.locale, locales),
      permissions: [...context.permissions],
      user: context.user ?? null,
      path,
      params: { ...context.params },
      base,
    };
    const hrefs = styles.map((file) => `${base}/${file}`);
    // What is not sent need not be JSON.
    const data = script === undefined ? undefined : jsonText({ props, page, styles: hrefs });
    const document = createElement(Document, { Page, props, page, styles: hrefs, data });
    return new Response(await stream(name, document, script === undefined ? [] : [`${base}/${script}`], context.signal), {
      headers: { 'content-type': 'text/html; charset=utf-8' },
    });
  };
}

/** The document's bytes, as soon as its shell is there. An error before that is the caller's; later ones are logged, and the browser tries again. */
async function stream(name, document, bootstrapModules, signal) {
  let early = [];
  const log = (error) => {
    // When the caller has gone, everything that is still pending fails for that reason alone.
    if (!signal?.aborted) console.error(`a part of the page "${name}" cannot be rendered:`, error);
  };
  const onError = (error) => {
    if (early === undefined) log(error);
    else early.push(error);
  };
  try {
    const stream = await renderToReadableStream(document, { bootstrapModules, signal, onError });
    early.forEach(log);
    return stream;
  } catch (error) {
    for (const other of early) if (other !== error) log(other);
    throw error;
  } finally {
    early = undefined;
  }
}
