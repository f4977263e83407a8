// Are the daemons well? Each with its state, and why when it is not well.

import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, type Daemon, unwrap } from '../api.ts';
import { useNow } from '../live/clock.ts';
import { EmptyState, ProblemBox } from '../parts/notices.tsx';
import { Mark } from '../parts/state-mark.tsx';
import { Ago } from '../parts/time.tsx';
import { sizeWords } from '../words.ts';

const SILENT_AFTER_MS = 15_000;

/** The daemons as of now: one that went silent since the last answer is shown silent. */
export function useDaemons(): readonly Daemon[] {
  const nowMs = useNow();
  const { data } = useDaemonQuery();
  return (data?.daemons ?? []).map((daemon) =>
    daemon.heardMs + SILENT_AFTER_MS < nowMs ? { ...daemon, state: 'silent' } : daemon,
  );
}

function useDaemonQuery() {
  return useQuery({
    queryKey: ['daemons'],
    queryFn: () => unwrap(api.GET('/api/daemons')),
    refetchInterval: 30_000,
  });
}

export function SystemPage(): ReactNode {
  const query = useDaemonQuery();
  const daemons = useDaemons();
  return (
    <main className="place">
      <h1>System</h1>
      {query.error === null ? null : (
        <ProblemBox problem={query.error} onRetry={() => void query.refetch()} />
      )}
      {daemons.length === 0 && query.isSuccess ? (
        <EmptyState title="No daemon has been heard yet">
          <p>
            Each daemon tells every five seconds that it lives. If this stays empty, start them with{' '}
            <code>bp.start_all</code> and look with <code>bpps</code>.
          </p>
        </EmptyState>
      ) : (
        <DaemonTable daemons={daemons} />
      )}
    </main>
  );
}

function DaemonTable({ daemons }: { readonly daemons: readonly Daemon[] }): ReactNode {
  return (
    <div className="sheet">
      <table className="plain" aria-label="Daemons">
        <thead>
          <tr>
            <th scope="col">Daemon</th>
            <th scope="col">Host</th>
            <th scope="col">State</th>
            <th scope="col">Why</th>
            <th scope="col" className="number">
              Heard
            </th>
            <th scope="col" className="number">
              Started
            </th>
            <th scope="col" className="number">
              Memory
            </th>
            <th scope="col" className="number">
              Process
            </th>
            <th scope="col">Version</th>
          </tr>
        </thead>
        <tbody>
          {daemons.map((daemon) => (
            <tr key={daemon.key}>
              <th scope="row">{daemon.service}</th>
              <td>{daemon.host === '' ? <span className="dim">primary</span> : daemon.host}</td>
              <td>
                <DaemonMark daemon={daemon} />
              </td>
              <td className="wrap">{daemon.state === 'silent' ? silentWords : daemon.reason}</td>
              <td className="number">
                <Ago atMs={daemon.heardMs} />
              </td>
              <td className="number">
                <Ago atMs={daemon.startedMs} />
              </td>
              <td className="number">{sizeWords(daemon.rssBytes)}</td>
              <td className="number">{daemon.pid}</td>
              <td>{daemon.version}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const silentWords = 'No heartbeat: it ended, hangs, or has lost the bus.';

function DaemonMark({ daemon: { state, leader } }: { readonly daemon: Daemon }): ReactNode {
  if (state === 'up') return <Mark look="successful" words={leader ? 'Up, leads' : 'Up'} />;
  return state === 'notReady' ? (
    <Mark look="partial" words="Not ready" />
  ) : (
    <Mark look="failed" words="Silent" />
  );
}
