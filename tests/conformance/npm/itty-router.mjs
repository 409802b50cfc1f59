import { output } from './harness.mjs';
import { AutoRouter, error, json, Router } from 'itty-router';

export default () => output(async (print) => {
  const router = AutoRouter({ before: [(request) => { request.seen = true; }], catch: (failure) => error(failure) });
  router.get('/todos/:id', ({ params, query, seen }) => ({ id: params.id, query, seen })).post('/json', async (request) => json(await request.json(), { status: 201 })).get('/fail', () => { throw new Error('bad'); });
  for (const [url, init] of [['/todos/5?a=1'], ['/json', { method: 'POST', body: '{"x":1}' }], ['/fail'], ['/none']]) { const response = await router.fetch(new Request(`https://h${url}`, init)); print(response.status, await response.text()); }
  print(typeof Router().get, (await error(400, 'no').text()));
});
