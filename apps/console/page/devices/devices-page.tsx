// Where is each tape, and who waits for one? The libraries drawn, what the broker holds back, disks, and every volume.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useCallback, useMemo, useRef } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { api, type Devices, type LibraryShape, unwrap, type Volume } from '../api.ts';
import { EmptyState, ProblemBox } from '../parts/notices.tsx';
import { Mark } from '../parts/state-mark.tsx';
import { Ago } from '../parts/time.tsx';
import { useKeys } from '../parts/use-keys.ts';
import { capital } from '../words.ts';
import { DiskUnits } from './disk-units.tsx';
import { Libraries } from './libraries.tsx';
import { MediaFilter } from './media-filter.tsx';
import { DRIVES } from './media-words.ts';
import { hrefOf, type View, viewOf } from './view.ts';
import { useVolumes, VolumeTable } from './volume-table.tsx';
import { WaitingList } from './waiting-list.tsx';
import '../styles/devices.css';

const REFRESH_MS = 5_000;

export function DevicesPage(): ReactNode {
  const query = useQuery({
    queryKey: ['devices'],
    queryFn: () => unwrap(api.GET('/api/devices')),
    refetchInterval: REFRESH_MS,
  });
  const { view, onView } = useView();
  const found = useVolumes(view);
  const search = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => search.current?.focus() });
  const onFind = useFind(view, onView);
  const { data } = query;
  return (
    <main className="place devices">
      <h1 className="unseen">Devices</h1>
      <MediaFilter {...{ view, counts: found.counts, onChange: onView, searchRef: search }} />
      {query.error === null ? null : (
        <ProblemBox problem={query.error} onRetry={() => void query.refetch()} />
      )}
      {data === undefined ? null : (
        <>
          <Summary devices={data} />
          <Notices devices={data} />
          {data.drives.length === 0 && data.robots.length === 0 && data.problems.length === 0 ? (
            <NoDevices />
          ) : (
            <Libraries devices={data} view={view} onChoose={(at) => onView({ ...view, at })} />
          )}
          <WaitingList waiting={data.waiting} pending={data.pending} />
          <DiskUnits disks={data.disks} />
          <VolumeTable {...{ found, wanted: view, onFind }} />
        </>
      )}
    </main>
  );
}

function useView(): { view: View; onView: (view: View) => void } {
  const [params] = useSearchParams();
  const [, navigate] = useLocation();
  const key = params.toString();
  const view = useMemo(() => viewOf(new URLSearchParams(key)), [key]);
  const onView = useCallback((next: View) => navigate(hrefOf(next), { replace: true }), [navigate]);
  return { view, onView };
}

/** Chooses the place of a volume in the drawing that shows it. */
function useFind(view: View, onView: (view: View) => void): (volume: Volume) => void {
  const queries = useQueryClient();
  return ({ mediaId, robotNumber }) => {
    const shape = queries.getQueryData<LibraryShape>(['library', robotNumber]);
    const element = shape?.elements.find((each) => each.mediaId === mediaId);
    if (element === undefined) return;
    onView({ ...view, at: `${robotNumber}/${element.address}` });
    document.getElementById(`robot-${robotNumber}`)?.scrollIntoView({ block: 'start' });
  };
}

/** In a line: what the drives do, and whether anybody waits. */
function Summary({ devices: { drives, waiting } }: { readonly devices: Devices }): ReactNode {
  if (drives.length === 0) return null;
  const states = Object.keys(DRIVES) as (keyof typeof DRIVES)[];
  const counts = states
    .map((state) => ({ state, count: drives.filter((drive) => drive.state === state).length }))
    .filter(({ count }) => count > 0);
  return (
    <ul className="device-summary" aria-label="Drives in short">
      {counts.map(({ state, count }) => (
        <li key={state}>
          <Mark look={DRIVES[state].look} words={`${count} ${DRIVES[state].words.toLowerCase()}`} />
        </li>
      ))}
      <li>
        {waiting.length === 0 ? (
          <span className="dim">nobody waits</span>
        ) : (
          <a href="#waiting">
            <Mark
              look="waiting"
              words={`${waiting.length} ${waiting.length === 1 ? 'job waits' : 'jobs wait'}`}
            />
          </a>
        )}
      </li>
    </ul>
  );
}

function Notices({ devices }: { readonly devices: Devices }): ReactNode {
  const { problems, suspended, unknown } = devices;
  return (
    <>
      {problems.map((problem) => (
        <p key={problem} className="notice" data-kind="warning" role="status">
          {problem}
        </p>
      ))}
      {suspended === '' ? null : (
        <p className="notice" data-kind="warning" role="status">
          <span>
            Nothing is given out: {suspended}. <code>nbrbutil -resume</code> goes on.
          </span>
        </p>
      )}
      {unknown.map(({ kind, name, reason, sinceMs }) => (
        <div key={`${kind} ${name}`} className="notice" data-kind="warning" role="status">
          <div>
            <p className="notice-title">
              {capital(kind)} {name} is not given out: nobody knows whether it is idle (
              <Ago atMs={sinceMs} />
              ).
            </p>
            <p>
              {reason} It comes back when its host confirms that it is idle, or when you vouch for
              it:{' '}
              <code>
                nbrbutil {kind === 'drive' ? '-releaseOrphanedDrive' : '-releaseOrphanedMedia'}{' '}
                {name}
              </code>
            </p>
          </div>
        </div>
      ))}
    </>
  );
}

function NoDevices(): ReactNode {
  return (
    <EmptyState title="No drive is configured">
      <p>
        Add a robot and its drives with <code>tpconfig -add -robot …</code> and{' '}
        <code>tpconfig -add -drive …</code>, then <code>vmupdate</code> fills in the volumes.
      </p>
    </EmptyState>
  );
}
