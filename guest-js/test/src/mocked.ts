// `mock`: what a test puts in the place of the world outside.

import { custom } from './custom.ts';
import { http, sentRequests } from './http.ts';
import { recorded } from './recorded.ts';

export const mock = Object.freeze({
  http,
  custom,
  recorded,
  /** All requests that were sent, mocked or not. */
  get requests() { return sentRequests(); },
});
