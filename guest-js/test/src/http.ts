// Mocked http. The host lets a request pass by the manifest's rules, puts its secrets in, and echoes what it would have sent; what it is answered
// with is decided here. Nothing reaches a network.

import { testing } from './host.ts';

/** The header of an echo; `host/testing/src/echo.rs` has it too. */
const ECHO = 'belljar-echo';

/** A request as it would have gone out, secrets in it. */
export class SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  constructor(method: string, url: string, headers: Headers, bytes: Uint8Array) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.bytes = bytes;
  }
  get body(): string { return new TextDecoder().decode(this.bytes); }
  json(): unknown { return JSON.parse(this.body); }
}

type Fixed = Response | Error | number | string | object;
type Answer = Fixed | ((request: SentRequest) => Fixed | Promise<Fixed>);

interface Mock { readonly method: string; matches(url: string): boolean; readonly answers: Answer[]; readonly requests: SentRequest[]; readonly spec: string }

let mocks: Mock[] = [];
let sent: SentRequest[] = [];

function escape(text: string): string { return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'); }

function matcher(url: string | RegExp): (url: string) => boolean {
  if (typeof url !== 'string') return (given) => new RegExp(url.source, url.flags.replace(/[gy]/g, '')).test(given);
  if (!/^https?:\/\//.test(url)) throw new TypeError(`mock.http: ${JSON.stringify(url)} is no URL: write it whole, such as 'GET https://api.example.com/items'`);
  // As URLs are written out: a bare host has a path.
  const whole = url.includes('*') ? url : new URL(url).href;
  const pattern = new RegExp(`^${whole.split('*').map(escape).join('.*')}$`);
  return (given) => pattern.test(whole.includes('?') ? given : given.replace(/\?.*$/s, ''));
}

async function toResponse(answer: Answer, request: SentRequest): Promise<Response> {
  const given = typeof answer === 'function' ? await (answer as (request: SentRequest) => Fixed | Promise<Fixed>)(request) : answer;
  if (given instanceof Error) throw given;
  const response = given instanceof Response ? given.clone()
    : typeof given === 'number' ? new Response(null, { status: given })
    : typeof given === 'string' ? new Response(given)
    : Response.json(given);
  return Object.defineProperty(response, 'url', { value: request.url, configurable: true });
}

function answering(echo: Response): Response | Promise<Response> {
  if (!echo.headers.has(ECHO)) return echo;
  return echo.arrayBuffer().then((body) => {
    // A line of JSON, then the body.
    const bytes = new Uint8Array(body);
    const end = bytes.indexOf(10);
    const { method, url, headers } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as { method: string; url: string; headers: [string, string][] };
    const request = new SentRequest(method, url, new Headers(headers), bytes.slice(end + 1));
    sent.push(request);
    const mock = mocks.find((one) => (one.method === '*' || one.method === method) && one.matches(url));
    if (mock === undefined) {
      const there = mocks.length === 0 ? 'nothing is' : `mocked are ${mocks.map(({ spec }) => spec).join(', ')}`;
      throw new TypeError(`${method} ${url} is not mocked (${there}): say what it answers with mock.http('${method} ${url.replace(/\?.*$/s, '')}', …)`);
    }
    const answer = mock.answers[Math.min(mock.requests.length, mock.answers.length - 1)] as Answer;
    mock.requests.push(request);
    return toResponse(answer, request);
  });
}

/** A test begins: nothing is mocked. */
export function beginHttp(): void {
  mocks = [];
  sent = [];
  testing().answerWith(answering);
}

/** Says what requests are answered with: the last mock that fits one answers it. */
export function http(spec: string | RegExp, ...answers: Answer[]): { readonly requests: readonly SentRequest[] } {
  if (answers.length === 0) throw new TypeError('mock.http: say what it answers: a Response, a status, a text, a value for JSON, an Error, or a function of the request');
  testing();
  const [, method = '*', url = spec] = typeof spec === 'string' ? /^(?:([A-Z]+|\*) )?(.*)$/s.exec(spec) ?? [] : [];
  const mock: Mock = { method, matches: matcher(url), answers, requests: [], spec: `${spec}` };
  mocks.unshift(mock);
  return { requests: mock.requests };
}

/** Says what requests of this method to just this URL are answered with. */
export function answerRequests(method: string, url: string, answer: (request: SentRequest) => Response): void {
  mocks.unshift({ method, matches: (given) => given === url, answers: [answer], requests: [], spec: `${method} ${url} (recorded)` });
}

/** All requests that were sent, mocked or not. */
export function sentRequests(): readonly SentRequest[] { return sent; }
