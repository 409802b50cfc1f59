// What authors write, for the types alone: tsc checks it, nothing runs it.

import '@belljar/sdk';
import { call, CallError, clock, config, deliver, describe, events, expect, fn, it, jobs, mock, secrets, spyOn, test } from '@belljar/sdk/test';

declare module '@belljar/sdk' {
  interface Sdk { readonly greet: { hello(who: { name: string }): Promise<{ text: string }>; bye(): Promise<void> } }
}

describe('types', () => {
  it('plain', () => undefined);
  it('with a budget', { fuelMax: 1_000 }, async () => undefined);
  it('with a timeout', () => undefined, 100);
  it.todo('later');
  it.skipIf(true)('never', () => undefined);
  test.each([[1, 'a'], [2, 'b']])('%i %s', (number, text) => { expect(number.toFixed() + text.toUpperCase()).toBe(''); });
  it.each([{ a: 1 }])('$a', ({ a }) => { expect(a.toFixed()).toBe('1'); });
  it('all', async () => {
    const add = fn((a: number, b: number) => a + b);
    add.mockReturnValueOnce(3);
    expect(add).not.toHaveBeenCalledWith(expect.any(Number), expect.not.stringContaining('x'));
    const spy = spyOn({ now: () => 1 }, 'now');
    const calls: [][] = spy.mock.calls;
    await expect(Promise.reject(new Error('x'))).rejects.toThrow(/x/);
    const response: Response = await call('hook', new Request('https://x/'));
    const value = await call<{ a: number }>('main', { a: 1 }, { user: 'u', permissions: ['p'] });
    const { retry } = await deliver('worker', [1, 2]);
    const api = mock.http('GET https://api.example.com/*', 500, { ok: true }, async (request) => new Response(request.body));
    await clock.set('2026-02-01');
    await clock.advance(1_000);
    await secrets.set('KEY', 'x');
    config.set({ a: 1 });
    expect([calls, response.status, value.a, retry[0]?.id, api.requests[0]?.json(), clock.now(), await events.published('a'), (await jobs.enqueued())[0]?.payload]).toHaveLength(8);
    const greet = mock.custom('greet', { hello: ({ name }) => ({ text: name.toUpperCase() }), bye: async () => { throw new CallError('gone', 'x', { limit: 'l', allowed: 1, used: 2 }); } });
    mock.custom('greet', { hello: fn(async (who: { name: string }) => ({ text: who.name })) });
    mock.custom('untyped', { anything: (argument) => argument.name });
    expect(greet.calls[0]?.argument.name).toBe(greet.calls[0]?.name);
    // @ts-expect-error it answers an object with a text
    mock.custom('greet', { hello: () => 1 });
    // @ts-expect-error there is no such function
    mock.custom('greet', { helo: () => 1 });
    // @ts-expect-error there is no such matcher
    expect(1).toBeThere();
    // @ts-expect-error a mock has an answer
    mock.http('GET https://api.example.com/');
  });
});
