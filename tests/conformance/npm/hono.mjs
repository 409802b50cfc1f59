import { output } from './harness.mjs';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { HTTPException } from 'hono/http-exception';
import { getCookie, setCookie } from 'hono/cookie';
import { stream } from 'hono/streaming';

export default () => output(async (print) => {
  const app = new Hono();
  app.use('*', cors());
  app.use(async (c, next) => { await next(); c.header('x-time', '1'); });
  app.get('/users/:id{[0-9]+}', (c) => c.json({ id: c.req.param('id'), q: c.req.query('q'), cookie: getCookie(c, 'a') }));
  app.post('/form', async (c) => { setCookie(c, 'b', '2', { httpOnly: true }); return c.text((await c.req.formData()).get('x')); });
  app.get('/fail', () => { throw new HTTPException(418, { message: 'teapot' }); });
  app.get('/stream', (c) => stream(c, async (out) => { await out.write('a'); await out.write('b'); }));
  app.route('/sub', new Hono().get('/', (c) => c.html('<p>sub</p>')));
  app.notFound((c) => c.text('none', 404));
  app.onError((error, c) => c.text(`error ${error.message}`, error.status ?? 500));
  const show = async (...args) => { const response = await app.request(...args); print(response.status, response.headers.get('content-type'), response.headers.get('set-cookie'), response.headers.get('x-time'), response.headers.get('access-control-allow-origin'), await response.text()); };
  await show('/users/7?q=x', { headers: { cookie: 'a=1' } });
  await show('/users/x');
  const form = new FormData();
  form.set('x', 'value');
  await show('/form', { method: 'POST', body: form });
  await show('/fail'); await show('/stream'); await show('/sub'); await show('/users/1', { method: 'OPTIONS', headers: { origin: 'http://o' } });
});
