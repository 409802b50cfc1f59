// What a test gives its applet (secrets, config), and what the applet has handed over for later (events, jobs).

import { ask } from './host.ts';

interface Published { name: string; payload: string; key?: string; orderKey?: string; dueMs?: number }
interface Enqueued { id: string; handler: string; payload: string; key?: string; priority: number; dueMs?: number; isCancelled: boolean }

let configured: Record<string, unknown> = {};

/** A test begins. */
export function beginConfig(): void { configured = {}; }

/** What the tenant has configured, for the calls that follow. */
export const config = Object.freeze({
  set(values: Record<string, unknown>): void { configured = { ...configured, ...values }; },
  get current(): Record<string, unknown> { return configured; },
});

export const secrets = Object.freeze({
  /** Sets a secret of the tenant's; undefined takes it away. */
  async set(name: string, value: string | undefined): Promise<void> {
    if (typeof name !== 'string' || (typeof value !== 'string' && value !== undefined)) throw new TypeError('secrets.set: name and value must be strings');
    await ask({ secret: [name, value ?? null] });
  },
});

const parsed = <T extends { payload: string }>({ payload, ...rest }: T): Omit<T, 'payload'> & { payload: unknown } => ({ ...rest, payload: JSON.parse(payload) as unknown });

export const events = Object.freeze({
  /** What was published, in order; of one name when it is given. */
  async published(name?: string): Promise<object[]> {
    const all = await ask<Published[]>({ events: true });
    return all.filter((event) => name === undefined || event.name === name).map(parsed);
  },
});

export const jobs = Object.freeze({
  /** What was enqueued, in order; for one handler when it is given. */
  async enqueued(handler?: string): Promise<object[]> {
    const all = await ask<Enqueued[]>({ jobs: true });
    return all.filter((job) => handler === undefined || job.handler === handler).map(parsed);
  },
  /** What was told of progress, in order. */
  async progress(): Promise<unknown[]> {
    const all = await ask<string[]>({ progress: true });
    return all.map((json) => JSON.parse(json) as unknown);
  },
});
