import type { ExportedHandler } from '@belljar/sdk';
import config from '../config.json';
import { lines, records, type CsvRecord } from './csv.ts';

const TIMEOUT_MS = 15_000;

/** `GET /measurements?station=…`: a row of the CSV file is a line of JSON; compressed if the caller likes that. */
export default {
  async fetch(request, { sdk }, { json }) {
    const station = new URL(request.url).searchParams.get('station');
    const upstream = await sdk.http.get(config.source, { timeoutMs: TIMEOUT_MS });
    if (!upstream.ok || upstream.body === null) {
      sdk.log.warn('the source does not answer', { status: upstream.status });
      return json({ error: 'the source does not answer' }, 502);
    }

    // Nothing of this holds more than a chunk: each part asks the one before it only when it has room.
    const rows = upstream.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(lines())
      .pipeThrough(records())
      .pipeThrough(jsonLines(station))
      .pipeThrough(new TextEncoderStream());
    const headers = new Headers({ 'content-type': 'application/x-ndjson', vary: 'accept-encoding' });
    if (!accepts(request, 'gzip')) return new Response(rows, { headers });
    headers.set('content-encoding', 'gzip');
    return new Response(rows.pipeThrough(new CompressionStream('gzip')), { headers });
  },
} satisfies ExportedHandler;

/** Records as JSON lines; of one station, if one is named. */
function jsonLines(station: string | null): TransformStream<CsvRecord[], string> {
  return new TransformStream({
    transform(batch, controller) {
      const wanted = station === null ? batch : batch.filter((record) => record['station'] === station);
      if (wanted.length > 0) controller.enqueue(wanted.map((record) => `${JSON.stringify(record)}\n`).join(''));
    },
  });
}

function accepts(request: Request, coding: string): boolean {
  const codings = (request.headers.get('accept-encoding') ?? '').split(',').map((part) => part.trim());
  return codings.some((part) => part === coding || (part.startsWith(`${coding};`) && !/;\s*q=0(\.0*)?$/.test(part)));
}
