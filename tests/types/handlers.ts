// The shapes of a handler. What is wrong has a line above it that expects an error: a compiler that finds none there fails.

import type { Context, ExportedHandler, Handler, HttpHandler, MessageBatch } from '@belljar/sdk';

interface Order { id: string; lines: { sku: string; quantity: number }[] }

// 1. (context, payload) => result

export const value: Handler<Order> = async (context, order) => {
  const total = order.lines.reduce((sum, line) => sum + line.quantity, 0);
  // @ts-expect-error an order has no total
  void order.total;
  // @ts-expect-error the context is frozen
  context.tenant = 'other';
  return { total };
};
export const answered: Handler<Order, { total: number }> = (_, order) => ({ total: order.lines.length });
// @ts-expect-error the result was promised to have a total
export const wrongResult: Handler<Order, { total: number }> = () => ({ sum: 1 });
export const nothing: Handler = () => {};
export const response: Handler = (context) => context.json({ ok: true }, 201);
export function plain(context: Context, payload: unknown): string {
  // @ts-expect-error what comes in is not known before it is checked
  void payload.name;
  return `${context.applet} ${context.version} ${context.locale} ${context.invocationId} ${context.permissions.join()} ${context.deadline.toFixed()}`;
}
export const payloadOnly: Handler<number, number> = ({ waitUntil, signal }, n) => {
  waitUntil(Promise.resolve());
  signal.addEventListener('abort', () => {}, { once: true });
  // @ts-expect-error somebody may have called without a user
  void context.user.length;
  return n + 1;
};
declare const context: Context;

// 2. one argument, with helpers

export const http: HttpHandler = async ({ request, json, text, badRequest, unauthorized, forbidden, notFound, conflict }) => {
  if (request.method !== 'POST') return notFound();
  const body = await request.json();
  if (body === null) return badRequest('no body');
  if (body.a) return unauthorized();
  if (body.b) return forbidden();
  if (body.c) return conflict('taken');
  // @ts-expect-error there is no such helper
  void context.teapot;
  // @ts-expect-error a status is a number
  if (body.d) return text('x', '201');
  return json(body);
};

export const routed: HttpHandler = ({ params, config, attempt, eventId, jobId, json }) => {
  const id: string | undefined = params['id'];
  // @ts-expect-error they are frozen
  params['id'] = 'x';
  const tried: number = attempt;
  return json({ id, currency: config['CURRENCY'], tried, eventId, jobId });
};

// 3. the web-standard shape

export default {
  async fetch(request, env, ctx) {
    ctx.waitUntil(env.sdk.db.execute('DELETE FROM old'));
    // @ts-expect-error the capabilities are under sdk
    void env.db;
    return Response.json({ path: new URL(request.url).pathname, tenant: ctx.tenant });
  },
  async scheduled(event, { sdk }) {
    sdk.log.info('woke', { cron: event.cron, at: new Date(event.scheduledTime).toISOString() });
  },
  async queue(batch: MessageBatch<Order>) {
    for (const message of batch.messages) {
      if (message.body.lines.length === 0) message.retry({ delaySeconds: 60 });
      else message.ack();
    }
  },
} satisfies ExportedHandler<Order>;

// @ts-expect-error fetch() answers with a Response
export const notAResponse: ExportedHandler = { fetch: () => 'text' };
// @ts-expect-error there is no such member
export const misspelt: ExportedHandler = { fetched: () => new Response() };
