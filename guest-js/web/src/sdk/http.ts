// sdk.http: fetch, and one function per method that sends values as JSON. Fails with SdkError, where global fetch must fail with TypeError.

import { freeze, jsonStringify, objectKeys } from '../primordials.ts';
import { sdkFailure } from '../operations.ts';
import { dictionary, bytesOf } from '../webidl.ts';
import { iterableSource } from '../web/body-stream.ts';
import { fetchWith } from '../web/fetch.ts';
import { listOf, newHeaders, setIn, valueIn } from '../web/headers.ts';
import { Response } from '../web/response.ts';
import { isSearchParams, URLSearchParams } from '../url/search-params.ts';
import { URL } from '../url/url.ts';

/** Adds `options.query` to the URL. */
function address(url: unknown, query: unknown): unknown {
  if (query === undefined) return url;
  const target = new URL(`${url as string}`);
  const from = isSearchParams(query) ? query : new URLSearchParams(query as Record<string, string>);
  const added = `${from}`;
  if (added !== '') target.search = target.search === '' ? added : `${target.search}&${added}`;
  return target;
}

function isRaw(body: unknown): boolean {
  return body === undefined || typeof body === 'string' || isSearchParams(body) || bytesOf(body) !== undefined || iterableSource(body) !== undefined;
}

async function send(method: string, url: unknown, body: unknown, options: unknown): Promise<Response> {
  const given = dictionary(options, `sdk.http.${method}`);
  const headers = newHeaders(given['headers']);
  let payload = body;
  if (!isRaw(body)) {
    const text = jsonStringify(body) as string | undefined;
    if (text === undefined) throw new TypeError('the body is a function or a symbol, which JSON cannot hold');
    payload = text;
    const list = listOf(headers);
    if (valueIn(list, 'content-type') === null) setIn(list, 'content-type', 'application/json');
  }
  const init: Record<string, unknown> = { __proto__: null } as never;
  const names = objectKeys(given);
  for (let i = 0; i < names.length; i++) init[names[i] as string] = given[names[i] as string];
  init['method'] = method;
  init['headers'] = headers;
  init['body'] = payload;
  return fetchWith(address(url, given['query']), init, sdkFailure);
}

export const http = freeze({
  fetch: (input: unknown, init?: unknown): Promise<Response> => fetchWith(input, init, sdkFailure),
  get: (url: unknown, options?: unknown): Promise<Response> => send('GET', url, undefined, options),
  delete: (url: unknown, options?: unknown): Promise<Response> => send('DELETE', url, undefined, options),
  post: (url: unknown, body?: unknown, options?: unknown): Promise<Response> => send('POST', url, body, options),
  put: (url: unknown, body?: unknown, options?: unknown): Promise<Response> => send('PUT', url, body, options),
  patch: (url: unknown, body?: unknown, options?: unknown): Promise<Response> => send('PATCH', url, body, options),
});
