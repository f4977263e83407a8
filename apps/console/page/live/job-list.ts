// The jobs of one view as React sees them: pages on demand, changes ten times a second at most, and a catch-up
// after a gap that leaves the reader where he is.

import type { JobFilter } from '../../src/core/job-filter.ts';
import { api, type Job, type JobPage, type JobsQuery, Problem, unwrap } from '../api.ts';
import { applyChange, emptyRows, mergePage, type Rows, removeJob } from './job-rows.ts';
import { type Position, parsePosition, type Stream } from './stream.ts';

export interface ListState {
  readonly ids: readonly number[];
  readonly job: (jobId: number) => Job | undefined;
  readonly loading: boolean;
  /** Older pages are still to come. */
  readonly more: boolean;
  /** The first page has come. */
  readonly loaded: boolean;
  readonly problem: Problem | null;
  readonly version: number;
}

export interface JobList {
  subscribe(listener: () => void): () => void;
  state(): ListState;
  loadMore(): void;
  close(): void;
}

const PAGE_ROWS = 500;
const FLUSH_MS = 100;
const RETRY_MS = 3_000;
const OPEN_WAIT_MS = 3_000;
/** Beyond this many new jobs during a gap the list starts over. */
const CATCH_UP_PAGES_MAX = 10;

interface Pending {
  readonly job: Job | null;
  readonly deletedJobId: number | undefined;
  readonly position: Position;
}

export interface JobListOptions {
  readonly stream: Stream;
  readonly filter: JobFilter;
}

export function queryOf(filter: JobFilter): JobsQuery {
  const { outcomes, sinceMs, type, policy, client, status, text } = filter;
  const query: JobsQuery = { limit: PAGE_ROWS };
  if (outcomes !== undefined && outcomes.length > 0) query.outcome = [...outcomes];
  if (sinceMs !== undefined) query.since = sinceMs;
  if (type !== undefined) query.type = type;
  if (policy !== undefined) query.policy = policy;
  if (client !== undefined) query.client = client;
  if (status !== undefined) query.status = status;
  if (text !== undefined && text !== '') query.text = text;
  return query;
}

const fetchPage = (query: JobsQuery): Promise<JobPage> =>
  unwrap(api.GET('/api/jobs', { params: { query } }));

export function openJobList({ stream, filter }: JobListOptions): JobList {
  const rows: Rows = emptyRows();
  const listeners = new Set<() => void>();
  const base = queryOf(filter);
  let next: number | null = null;
  let flags = { loading: false, loaded: false, problem: null as Problem | null };
  let pending: Pending[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  let missed = false;
  let asked = false;
  let version = 0;
  let snapshot: ListState = makeSnapshot();

  function makeSnapshot(): ListState {
    const job = (jobId: number): Job | undefined => rows.byId.get(jobId)?.job;
    return { ...flags, ids: rows.ids, job, more: next !== null, version };
  }
  const tell = (): void => {
    version += 1;
    snapshot = makeSnapshot();
    for (const listener of listeners) listener();
  };
  const set = (change: Partial<typeof flags>): void => {
    flags = { ...flags, ...change };
    if (!closed) tell();
  };

  const flush = (): void => {
    timer = undefined;
    const rules = { filter, more: next !== null || !flags.loaded };
    let changed = false;
    for (const { job, deletedJobId, position } of pending) {
      if (deletedJobId !== undefined) changed = removeJob(rows, deletedJobId) || changed;
      else if (job !== null) changed = applyChange(rows, { job, position }, rules) || changed;
    }
    pending = [];
    if (changed) tell();
  };

  /** Runs a fetch alone, and again after a pause when it failed. */
  const run = async (work: () => Promise<void>): Promise<void> => {
    if (flags.loading || closed) return;
    set({ loading: true });
    try {
      await work();
      set({ loading: false, problem: null });
    } catch (error) {
      const problem =
        error instanceof Problem
          ? error
          : new Problem('The page met a fault', { code: 0, detail: String(error), http: 0 });
      set({ loading: false, problem });
      if (!closed && problem.http !== 401) retry = setTimeout(() => void run(work), RETRY_MS);
      return;
    }
    if (missed) await run(catchUp);
  };

  const loadPage = async (): Promise<void> => {
    if (!flags.loaded) await stream.opened(OPEN_WAIT_MS);
    asked = true;
    const page = await fetchPage(next === null ? base : { ...base, before: next });
    mergePage(rows, page.jobs, parsePosition(page.cursor));
    next = page.next;
    flags = { ...flags, loaded: true };
  };

  /** After a gap: what is new on top, and what may have changed among the rows that were not done. */
  const catchUp = async (): Promise<void> => {
    missed = false;
    const newest = rows.ids[0] ?? 0;
    let before: number | undefined;
    for (let pages = 0; ; pages += 1) {
      const page = await fetchPage(before === undefined ? base : { ...base, before });
      if (pages === CATCH_UP_PAGES_MAX || rows.ids.length === 0) {
        rows.ids = [];
        rows.byId.clear();
        next = page.next;
      }
      mergePage(rows, page.jobs, parsePosition(page.cursor));
      const last = page.jobs.at(-1)?.jobId ?? 0;
      if (page.next === null || last <= newest || rows.ids.length === page.jobs.length) break;
      before = page.next;
    }
    await refetchLiving();
  };

  const refetchLiving = async (): Promise<void> => {
    const living = rows.ids.filter((jobId) => rows.byId.get(jobId)?.job.state !== 'done');
    for (let i = 0; i < living.length; i += PAGE_ROWS) {
      const ids = living.slice(i, i + PAGE_ROWS);
      const page = await fetchPage({ ids, limit: PAGE_ROWS });
      const position = parsePosition(page.cursor);
      const found = new Set(page.jobs.map(({ jobId }) => jobId));
      for (const job of page.jobs) {
        applyChange(rows, { job, position }, { filter, more: next !== null });
      }
      for (const jobId of ids) if (!found.has(jobId)) removeJob(rows, jobId);
    }
  };

  const stop = stream.listen({
    change: ({ job, deletedJobId }, position) => {
      if (job === undefined && deletedJobId === undefined) return;
      pending.push({ job: job ?? null, deletedJobId, position });
      timer ??= setTimeout(flush, FLUSH_MS);
    },
    gap: () => {
      // What nobody asked for yet cannot be out of date.
      if (!asked) return;
      missed = true;
      void run(catchUp);
    },
  });
  void run(loadPage);
  return {
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    state: () => snapshot,
    loadMore: () => {
      if (next !== null && flags.problem === null) void run(loadPage);
    },
    close: () => {
      closed = true;
      stop();
      clearTimeout(timer);
      clearTimeout(retry);
    },
  };
}
