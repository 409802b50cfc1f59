import { output } from './harness.mjs';
import axios, { AxiosError, AxiosHeaders } from 'axios';

export default () => output(async (print) => {
  // Without a network: an adapter of its own, as tests have it.
  const client = axios.create({ baseURL: 'https://api.example', headers: { 'x-a': '1' }, adapter: async (config) => ({ data: JSON.stringify({ url: axios.getUri(config), method: config.method, body: config.data, type: config.headers.get('content-type'), a: config.headers['x-a'] }), status: config.url === '/bad' ? 404 : 200, statusText: 'OK', headers: new AxiosHeaders({ 'content-type': 'application/json' }), config }) });
  client.interceptors.request.use((config) => { config.params = { ...config.params, k: 'v w' }; return config; });
  client.interceptors.response.use((response) => { response.data.seen = true; return response; });
  print((await client.get('/x', { params: { q: [1, 2] } })).data, (await client.post('/y', { a: 1 })).data, (await client.put('/z', new URLSearchParams({ p: '1' }))).data, axios.isAxiosError(new AxiosError('m', 'C')), axios.VERSION.split('.')[0]);
  print(new AxiosHeaders('A: b\nC: d').toJSON(), axios.toFormData({ a: [1, { b: 2 }] }, new FormData()).get('a[1][b]'));
});
