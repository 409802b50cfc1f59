import type { Context, Handler, MessageBatch, ScheduledEvent } from '@belljar/sdk';

interface Report {
  readonly at: string;
  readonly events: number;
}

/** The shapes of web-standard workers: `queue` for events that come together, `scheduled` for the morning. */
export default {
  async queue(batch: MessageBatch<{ id?: unknown }>, _env: unknown, { sdk }: Context): Promise<void> {
    let count = 0;
    for (const message of batch.messages) {
      if (typeof message.body.id === 'string') {
        count += 1;
      } else {
        // Only this one comes again, and ends dead when it stays what it is.
        message.retry({ delaySeconds: 1 });
      }
    }
    await sdk.kv.increment('events', count);
  },

  async scheduled(event: ScheduledEvent, _env: unknown, { sdk }: Context): Promise<Report> {
    const events = (await sdk.kv.get<number>('events')) ?? 0;
    const report = { at: new Date(event.scheduledTime).toISOString(), events };
    await sdk.kv.set('latest', report);
    await sdk.kv.increment('events', -events);
    sdk.log.info('summed up', { ...report });
    return report;
  },
};

export const latest: Handler = async ({ sdk }) => (await sdk.kv.get<Report>('latest')) ?? null;

/** A report before the first morning says that there was nothing yet. A hook that throws would undo the installation. */
export const begin: Handler = async ({ sdk }) => {
  await sdk.kv.set('latest', { at: null, events: 0 });
};

export const health: Handler = async ({ sdk }) => {
  const events = (await sdk.kv.get<number>('events')) ?? 0;
  return events < 0 ? { status: 'unhealthy', error: `${events} events were counted` } : { status: 'healthy' };
};
