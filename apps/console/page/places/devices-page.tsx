// Where is each tape, and who waits for one? Drives with what they do, what the broker holds back, and volumes.

import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { api, type Devices, unwrap } from '../api.ts';
import { EmptyState, ProblemBox } from '../parts/notices.tsx';
import { Mark } from '../parts/state-mark.tsx';
import { Ago } from '../parts/time.tsx';
import { capital, countWords, sizeWords } from '../words.ts';

const REFRESH_MS = 5_000;

export function DevicesPage(): ReactNode {
  const query = useQuery({
    queryKey: ['devices'],
    queryFn: () => unwrap(api.GET('/api/devices')),
    refetchInterval: REFRESH_MS,
  });
  const { data } = query;
  return (
    <main className="place">
      <h1>Devices</h1>
      {query.error === null ? null : (
        <ProblemBox problem={query.error} onRetry={() => void query.refetch()} />
      )}
      {data?.problems.map((problem) => (
        <p key={problem} className="notice" data-kind="warning" role="status">
          {problem}
        </p>
      ))}
      {data === undefined ? null : (
        <>
          <Unknown unknown={data.unknown} />
          <Drives drives={data.drives} />
          <Waiting waiting={data.waiting} />
          <Volumes volumes={data.volumes} />
        </>
      )}
    </main>
  );
}

function Unknown({ unknown }: Pick<Devices, 'unknown'>): ReactNode {
  return unknown.map(({ kind, name, reason, sinceMs }) => (
    <div key={`${kind} ${name}`} className="notice" data-kind="warning" role="status">
      <div>
        <p className="notice-title">
          {capital(kind)} {name} is not given out: nobody knows whether it is idle (
          <Ago atMs={sinceMs} />
          ).
        </p>
        <p>
          {reason} It comes back when its host confirms that it is idle, or when you vouch for it:{' '}
          <code>
            {kind === 'drive' ? 'nbrbutil -releaseOrphanedDrive' : 'nbrbutil -releaseOrphanedMedia'}{' '}
            {name}
          </code>
        </p>
      </div>
    </div>
  ));
}

function Drives({ drives }: Pick<Devices, 'drives'>): ReactNode {
  if (drives.length === 0) {
    return (
      <EmptyState title="No drive is configured">
        <p>
          Add a robot and its drives with <code>tpconfig -add -robot …</code> and{' '}
          <code>tpconfig -add -drive …</code>, then <code>vmupdate</code> fills in the volumes.
        </p>
      </EmptyState>
    );
  }
  return (
    <section aria-labelledby="drives">
      <h2 id="drives">Drives</h2>
      <div className="sheet">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Drive</th>
              <th scope="col">State</th>
              <th scope="col">Does</th>
              <th scope="col">Media server</th>
              <th scope="col">Density</th>
              <th scope="col" className="number">
                Robot
              </th>
              <th scope="col" className="number">
                Last used
              </th>
              <th scope="col" className="number">
                Errors
              </th>
            </tr>
          </thead>
          <tbody>
            {drives.map((drive) => (
              <tr key={drive.name}>
                <th scope="row">{drive.name}</th>
                <td>
                  <Mark look={drive.state === 'UP' ? 'successful' : 'failed'} words={drive.state} />
                  {drive.reason === '' ? null : <span className="dim"> {drive.reason}</span>}
                </td>
                <td>
                  {drive.jobId === null ? (
                    <span className="dim">idle</span>
                  ) : (
                    <>
                      {drive.mediaId} for{' '}
                      <Link href={`/activity/${drive.jobId}`}>job {drive.jobId}</Link>
                    </>
                  )}
                </td>
                <td>{drive.mediaServer}</td>
                <td>{drive.density}</td>
                <td className="number">{drive.robotNumber ?? '–'}</td>
                <td className="number">
                  <Ago atMs={drive.lastUsedMs} />
                </td>
                <td className="number">{countWords(drive.errors)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Waiting({ waiting }: Pick<Devices, 'waiting'>): ReactNode {
  return (
    <section aria-labelledby="waiting">
      <h2 id="waiting">Who waits</h2>
      {waiting.length === 0 ? (
        <p className="dim">No job waits for a drive or a volume.</p>
      ) : (
        <div className="sheet">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">Policy</th>
                <th scope="col">Client</th>
                <th scope="col" className="number">
                  Priority
                </th>
                <th scope="col" className="number">
                  Since
                </th>
                <th scope="col">Why</th>
              </tr>
            </thead>
            <tbody>
              {waiting.map((row) => (
                <tr key={row.jobId}>
                  <th scope="row">
                    <Link href={`/activity/${row.jobId}`}>{row.jobId}</Link>
                  </th>
                  <td>{row.policy}</td>
                  <td>{row.client}</td>
                  <td className="number">{row.priority}</td>
                  <td className="number">
                    <Ago atMs={row.sinceMs} />
                  </td>
                  <td className="wrap">{row.reasons.join('; ')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

const VOLUME_LOOKS = {
  available: 'queued',
  assigned: 'successful',
  full: 'full',
  suspended: 'suspended',
  frozen: 'failed',
} as const;

function Volumes({ volumes }: Pick<Devices, 'volumes'>): ReactNode {
  return (
    <section aria-labelledby="volumes">
      <h2 id="volumes">Volumes</h2>
      {volumes.length === 0 ? (
        <p className="dim">
          No volume is known. <code>vmupdate</code> reads a robot and adds what is in it.
        </p>
      ) : (
        <div className="sheet">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Volume</th>
                <th scope="col">State</th>
                <th scope="col">Pool</th>
                <th scope="col">Where</th>
                <th scope="col" className="number">
                  Written
                </th>
                <th scope="col" className="number">
                  Images
                </th>
                <th scope="col" className="number">
                  Mounts
                </th>
                <th scope="col" className="number">
                  Last written
                </th>
              </tr>
            </thead>
            <tbody>
              {volumes.map((volume) => (
                <tr key={volume.mediaId}>
                  <th scope="row">{volume.mediaId}</th>
                  <td>
                    <Mark look={VOLUME_LOOKS[volume.state]} words={capital(volume.state)} />
                  </td>
                  <td>{volume.pool}</td>
                  <td>
                    {volume.slot === null
                      ? 'not in a robot'
                      : `robot ${volume.robotNumber}, slot ${volume.slot}`}
                  </td>
                  <td className="number">{sizeWords(volume.writtenBytes)}</td>
                  <td className="number">{countWords(volume.images)}</td>
                  <td className="number">{countWords(volume.mounts)}</td>
                  <td className="number">
                    <Ago atMs={volume.lastWrittenMs} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
