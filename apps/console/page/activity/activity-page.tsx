// What happens now, what happened? The table, its filters, and the job that is open beside it.

import {
  type ReactNode,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { serverNowMs } from '../live/clock.ts';
import { type JobList, type ListState, openJobList } from '../live/job-list.ts';
import { placeOf } from '../live/job-rows.ts';
import { useLive } from '../live/live.tsx';
import { EmptyState, ProblemBox } from '../parts/notices.tsx';
import { useKeys } from '../parts/use-keys.ts';
import { FilterBar } from './filter-bar.tsx';
import { JobPanel } from './job-panel.tsx';
import { JobTable } from './job-table.tsx';
import { filterOf, hrefOf, isFiltered, type View, viewOf } from './view.ts';

export function ActivityPage({ jobId }: { readonly jobId: number | null }): ReactNode {
  const [params] = useSearchParams();
  const [, navigate] = useLocation();
  const search = useRef<HTMLInputElement>(null);
  const key = params.toString();
  const view = useMemo(() => viewOf(new URLSearchParams(key)), [key]);
  const { list, state } = useJobList(view);
  const [selected, setSelected] = useState<number | null>(jobId);
  const open = useCallback(
    (id: number | null) => {
      if (id !== null) setSelected(id);
      navigate(hrefOf(view, id), { replace: jobId !== null && id !== null });
    },
    [navigate, view, jobId],
  );
  const onView = useCallback(
    (next: View) => navigate(hrefOf(next, jobId), { replace: true }),
    [navigate, jobId],
  );
  const onLoadMore = useCallback(() => list?.loadMore(), [list]);
  const move = (step: number): void => {
    const { ids } = state;
    if (ids.length === 0) return;
    const place = selected === null ? -1 : placeOf(ids, selected);
    const next = ids[Math.max(0, Math.min(ids.length - 1, place + step))]!;
    setSelected(next);
    if (jobId !== null) open(next);
  };
  useKeys({
    '/': () => search.current?.focus(),
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Home: () => move(-Infinity),
    End: () => move(Infinity),
    Enter: () => selected !== null && open(selected),
    Escape: () => jobId !== null && open(null),
  });
  return (
    <main className="activity" data-panel={jobId !== null || undefined}>
      <h1 className="unseen">Activity Monitor</h1>
      <div className="activity-list">
        <FilterBar view={view} onChange={onView} searchRef={search} />
        {state.problem === null ? null : <ProblemBox problem={state.problem} />}
        <JobTable
          list={state}
          selected={selected}
          opened={jobId}
          onSelect={setSelected}
          onOpen={open}
          onLoadMore={onLoadMore}
        />
        {state.loaded && state.ids.length === 0 && !state.more ? <NoJobs view={view} /> : null}
      </div>
      {jobId === null ? null : <JobPanel key={jobId} jobId={jobId} onClose={() => open(null)} />}
    </main>
  );
}

const NOTHING: ListState = {
  ...{ ids: [], loading: true, more: false, loaded: false, problem: null, version: -1 },
  job: () => undefined,
};
const noSubscription = (): (() => void) => () => undefined;

/** The list of a view; another view is another list. */
function useJobList(view: View): { list: JobList | null; state: ListState } {
  const { stream } = useLive();
  const [list, setList] = useState<JobList | null>(null);
  useEffect(() => {
    const opened = openJobList({ stream, filter: filterOf(view, serverNowMs()) });
    setList(opened);
    return () => opened.close();
  }, [stream, view]);
  const state = useSyncExternalStore(
    list?.subscribe ?? noSubscription,
    list?.state ?? (() => NOTHING),
  );
  return { list, state };
}

function NoJobs({ view }: { readonly view: View }): ReactNode {
  if (isFiltered(view)) {
    return (
      <EmptyState title="No job is like that">
        <p>
          No job of those on record matches the search and the states above.{' '}
          <Link href="/activity">Show all jobs</Link>
        </p>
      </EmptyState>
    );
  }
  return (
    <EmptyState title="No job has run yet">
      <p>A job appears here as soon as a schedule is due or somebody starts one:</p>
      <p>
        <code>bpbackup -i -p POLICY -s SCHEDULE</code>
      </p>
    </EmptyState>
  );
}
