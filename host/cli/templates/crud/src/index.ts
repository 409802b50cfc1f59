import type { Context, ExportedHandler } from '@belljar/sdk';
import { checked, create, find, list, open, remove, update } from './notes.ts';

/** `/notes` and `/notes/:id`: create, read, update, delete. */
export default {
  async fetch(request, { sdk }, context) {
    const { pathname, searchParams } = new URL(request.url);
    const [, , id] = pathname.split('/');
    await open(sdk);

    if (id === undefined) {
      switch (request.method) {
        case 'GET':
          return context.json(await list(sdk, searchParams.get('q') ?? ''));
        case 'POST': {
          const draft = checked(await body(request));
          return draft === undefined ? badNote(context) : context.json(await create(sdk, draft), 201);
        }
      }
      return notAllowed('GET, POST');
    }
    switch (request.method) {
      case 'GET': {
        const note = await find(sdk, id);
        return note === null ? context.notFound() : context.json(note);
      }
      case 'PUT': {
        const draft = checked(await body(request));
        if (draft === undefined) return badNote(context);
        return (await update(sdk, id, draft)) ? context.json({ id, ...draft }) : context.notFound();
      }
      case 'DELETE':
        return (await remove(sdk, id)) ? new Response(null, { status: 204 }) : context.notFound();
    }
    return notAllowed('GET, PUT, DELETE');
  },
} satisfies ExportedHandler;

/** The body as JSON; undefined when it is none. */
async function body(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    return undefined;
  }
}

function badNote(context: Context): Response {
  return context.badRequest('a note is JSON with a title of 1 to 200 characters and a text');
}

function notAllowed(allow: string): Response {
  return new Response(null, { status: 405, headers: { allow } });
}
