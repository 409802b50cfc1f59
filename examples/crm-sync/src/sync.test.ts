import { beforeEach, call, clock, config, describe, events, expect, it, jobs, mock } from '@belljar/sdk/test';

const CRM = 'https://crm.example.com';
const customer = (id: string, revision: number) => ({ id, name: `Customer ${id}`, revision });

beforeEach(() => config.set({ base_url: CRM }));

describe('a change', () => {
  it('is fetched, stored and told', async () => {
    const crm = mock.http(`GET ${CRM}/customers/c-1`, customer('c-1', 3));
    await call('changed', { id: 'c-1' }, { eventId: 'evt_7' });
    expect(crm.requests).toHaveLength(1);
    expect(await sdk.db.query('SELECT id, revision FROM customers')).toEqual([{ id: 'c-1', revision: 3 }]);
    expect(await events.published()).toEqual([{ name: 'customer.synced', payload: { id: 'c-1' }, key: 'evt_7' }]);
  });

  it('does not undo a later one', async () => {
    mock.http(`GET ${CRM}/customers/c-1`, customer('c-1', 3), customer('c-1', 2));
    await call('changed', { id: 'c-1' });
    await call('changed', { id: 'c-1' });
    expect(await sdk.db.queryOne('SELECT revision FROM customers')).toEqual({ revision: 3 });
  });

  it('is tried again when the CRM is down', async () => {
    mock.http(`GET ${CRM}/*`, 503);
    await expect(call('changed', { id: 'c-1' })).rejects.toThrow('the CRM answered 503 to /customers/c-1');
    expect(await events.published()).toEqual([]);
  });

  it('is given up after five seconds', async () => {
    mock.http(`GET ${CRM}/*`, async () => {
      await clock.advance(60_000);
      return 200;
    });
    const before = clock.now();
    await expect(call('changed', { id: 'c-1' })).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }));
    expect(clock.now() - before).toBe(5_000);
  });
});

describe('catching up', () => {
  it('begins where the last run came to, page by page', async () => {
    await sdk.kv.set('cursor', 'a');
    await call('catch-up');
    expect(await jobs.enqueued()).toMatchObject([{ handler: 'page', payload: { cursor: 'a' }, key: 'page' }]);

    mock.http(`GET ${CRM}/customers?after=a`, { customers: [customer('c-1', 1), customer('c-2', 1)], next: 'b' });
    expect(await call('page', { cursor: 'a' }, { jobId: 'job_1' })).toEqual({ stored: 2, cursor: 'b' });
    expect(await sdk.kv.get('cursor')).toBe('b');
    expect(await jobs.progress()).toEqual([{ stored: 2, cursor: 'b' }]);
    expect(await jobs.enqueued('page')).toHaveLength(2);
  });
});
