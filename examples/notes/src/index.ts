// The routes. The manifest has one handler for each, so that the host checks methods, keys and permissions before any of this runs.

import type { Context, HttpHandler } from '@belljar/sdk';
import { type Draft, create as insert, draftOf, find, idOf, merge as mergeInto, page, remove as erase, replace as overwrite } from './notes.ts';

const PAGE_NOTES_MAX = 100;

/** `GET /notes?limit=20&after=ID`: a page, oldest first, and where the next one begins. */
export const list: HttpHandler = async ({ sdk, request, badRequest }) => {
  const query = new URL(request.url).searchParams;
  const limit = Number(query.get('limit') ?? 20);
  const after = query.has('after') ? idOf(query.get('after')) : 0;
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_NOTES_MAX) return badRequest(`limit is 1 to ${PAGE_NOTES_MAX}`);
  if (after === undefined) return badRequest('after is the id of a note');
  return page(sdk, after, limit);
};

export const create: HttpHandler = async (context) => {
  const draft = await draftIn(context);
  if (draft === undefined) return badNote(context);
  const note = await insert(context.sdk, draft, context.user ?? 'nobody');
  const response = context.json(note, 201);
  response.headers.set('location', `${new URL(context.request.url).pathname}/${note.id}`);
  return response;
};

export const show: HttpHandler = async ({ sdk, params, json, notFound }) => {
  const id = idOf(params.id);
  const note = id === undefined ? undefined : await find(sdk, id);
  if (note === undefined) return notFound('there is no such note');
  return 'mergedInto' in note ? json(note, 410) : note;
};

export const replace: HttpHandler = async (context) => {
  const id = idOf(context.params.id);
  const draft = await draftIn(context);
  if (draft === undefined) return badNote(context);
  const note = id === undefined ? undefined : await overwrite(context.sdk, id, draft, context.user ?? 'nobody');
  return note ?? context.notFound('there is no such note');
};

export const remove: HttpHandler = async ({ sdk, params, notFound }) => {
  const id = idOf(params.id);
  const isGone = id !== undefined && (await erase(sdk, id));
  return isGone ? new Response(null, { status: 204 }) : notFound('there is no such note');
};

/** `POST /notes/:id/merge/:other`: the other note's text is added to this one, and the other is no more; both or neither. */
export const merge: HttpHandler = async ({ sdk, params, user, notFound, badRequest }) => {
  const [id, other] = [idOf(params.id), idOf(params.other)];
  if (id !== undefined && id === other) return badRequest('a note cannot be merged into itself');
  const note = id === undefined || other === undefined ? undefined : await mergeInto(sdk, id, other, user ?? 'nobody');
  return note ?? notFound('there is no such note');
};

async function draftIn({ request }: Context & { readonly request: Request }): Promise<Draft | undefined> {
  try {
    return draftOf(await request.json());
  } catch {
    return undefined;
  }
}

function badNote({ badRequest }: Context): Response {
  return badRequest('a note is JSON with a title of 1 to 200 characters and a text of at most 100,000');
}
