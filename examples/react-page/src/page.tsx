// The page. Components know no capability: they are given their data, or a promise of it.

import { Suspense, use, useId, useMemo } from 'react';
import { type Talk, TRACKS } from './talks.tsx';

interface PageProps {
  track: string | undefined;
  talks: Talk[] | Promise<Talk[]>;
}

export function Page({ track, talks }: PageProps) {
  return (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <title>{track === undefined ? 'Programme' : `Programme: ${track}`}</title>
        <style>{'li { list-style: none } .full { opacity: 0.5 }'}</style>
      </head>
      <body>
        <h1>Programme</h1>
        <Tracks chosen={track} />
        <Suspense fallback={<p>One moment …</p>}>
          <Talks talks={talks} />
        </Suspense>
      </body>
    </html>
  );
}

function Tracks({ chosen }: { chosen: string | undefined }) {
  const label = useId();
  return (
    <nav aria-labelledby={label}>
      <b id={label}>Tracks</b>
      {TRACKS.map((track) => (
        <a key={track} href={`?track=${encodeURIComponent(track)}`} aria-current={track === chosen ? 'page' : undefined}>
          {track}
        </a>
      ))}
    </nav>
  );
}

function Talks({ talks }: { talks: PageProps['talks'] }) {
  const all = Array.isArray(talks) ? talks : use(talks);
  const byHour = useMemo(() => groupByHour(all), [all]);
  if (all.length === 0) return <p>Nothing yet.</p>;
  return byHour.map(([hour, group]) => (
    <section key={hour}>
      <h2>{hour} o’clock</h2>
      <ul>
        {group.map((talk) => (
          <li key={talk.id} className={talk.seats === 0 ? 'full' : undefined}>
            <strong>{talk.title}</strong> by {talk.speaker} <em>({talk.track})</em>
            {talk.seats === 0 ? ' – full' : ` – ${talk.seats} seats`}
          </li>
        ))}
      </ul>
    </section>
  ));
}

function groupByHour(talks: Talk[]): [hour: number, talks: Talk[]][] {
  const groups = new Map<number, Talk[]>();
  for (const talk of talks) groups.set(talk.hour, [...(groups.get(talk.hour) ?? []), talk]);
  return [...groups].sort(([a], [b]) => a - b);
}
