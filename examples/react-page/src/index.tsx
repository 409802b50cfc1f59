import { renderToReadableStream, renderToString } from 'react-dom/server.edge';
import type { ExportedHandler, Handler } from '@belljar/sdk';
import { Page } from './page.tsx';
import { loadTalks, type Talk, talks } from './talks.tsx';

/** `GET /`: the head of the page is sent at once, the talks when the database has them. */
export default {
  async fetch(request, { sdk }) {
    const track = new URL(request.url).searchParams.get('track') ?? undefined;
    const page = <Page track={track} talks={loadTalks(sdk, track)} />;
    const failed = (error: unknown): void => sdk.log.error('the page is broken', { error });
    const stream = await renderToReadableStream(page, { onError: failed });
    return new Response(stream, { headers: { 'content-type': 'text/html; charset=utf-8' } });
  },
} satisfies ExportedHandler;

/** The same page from talks that are given, as one text. */
export const html: Handler<{ count: number; track?: string }, string> = (_context, { count, track }) => {
  const given: Talk[] = talks(count).filter((talk) => track === undefined || talk.track === track);
  return `<!DOCTYPE html>${renderToString(<Page track={track} talks={given} />)}`;
};
