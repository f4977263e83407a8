// The jobs of one view as React sees them: pages on demand, changes ten times a second at most, and a catch-up
// after a gap that leaves the reader where he is.

import type { JobFilter } from '../../src/core/job-filter.ts';
import { api, type Job, type JobPage, type JobsQuery, Problem, unwrap } from '../api.ts';
import { applyChange, emptyRows, mergePage, type Rows, removeJob } from './job-rows.ts';
import { type Change, type Position, parsePosition, type Stream } from './stream.ts';

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
/** Beyond this many pages of new jobs during a gap the list starts over. */
const CATCH_UP_PAGES_MAX = 10;

export interface JobListOptions {
  readonly stream: Stream;
  readonly filter: JobFilter;
  /** Asks the API; another one in tests. */
  readonly fetchPage?: (query: JobsQuery) => Promise<JobPage>;
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

const askApi = (query: JobsQuery): Promise<JobPage> =>
  unwrap(api.GET('/api/jobs', { params: { query } }));

export function openJobList({ stream, filter, fetchPage = askApi }: JobListOptions): JobList {
  const store = makeStore();
  const pages = makePages(store, filter, fetchPage);
  const changes = collectChanges(store, filter);
  let asked = false;
  let missed = false;
  let closed = false;
  let retry: ReturnType<typeof setTimeout> | undefined;

  /** Runs a fetch alone, and again after a pause when it failed. */
  const run = async (work: () => Promise<void>): Promise<void> => {
    if (store.state().loading || closed) return;
    store.set({ loading: true });
    try {
      await work();
      store.set({ loading: false, problem: null });
    } catch (error) {
      const problem = problemOf(error);
      store.set({ loading: false, problem });
      if (!closed && problem.http !== 401) retry = setTimeout(() => void run(work), RETRY_MS);
      return;
    }
    if (missed) await run(catchUp);
  };
  const catchUp = async (): Promise<void> => {
    missed = false;
    await pages.catchUp();
  };
  const loadPage = async (): Promise<void> => {
    if (!store.state().loaded) await stream.opened(OPEN_WAIT_MS);
    asked = true;
    await pages.loadNext();
  };
  const stop = stream.listen({
    change: changes.add,
    gap: () => {
      // What nobody asked for yet cannot be out of date.
      if (!asked) return;
      missed = true;
      void run(catchUp);
    },
  });
  void run(loadPage);
  return {
    subscribe: store.subscribe,
    state: store.state,
    loadMore: () => {
      if (store.next !== null && store.state().problem === null) void run(loadPage);
    },
    close: () => {
      closed = true;
      stop();
      changes.stop();
      clearTimeout(retry);
    },
  };
}

type Flags = Pick<ListState, 'loading' | 'loaded' | 'problem'>;

interface Store {
  readonly rows: Rows;
  /** Key of the next older page; null at the end. */
  next: number | null;
  state(): ListState;
  set(flags: Partial<Flags>): void;
  subscribe(listener: () => void): () => void;
}

function makeStore(): Store {
  const listeners = new Set<() => void>();
  const rows = emptyRows();
  const job = (jobId: number): Job | undefined => rows.byId.get(jobId)?.job;
  let flags: Flags = { loading: false, loaded: false, problem: null };
  let version = 0;
  let snapshot: ListState = { ...flags, ids: rows.ids, job, more: false, version };
  const store: Store = {
    rows,
    next: null,
    state: () => snapshot,
    set: (change) => {
      flags = { ...flags, ...change };
      version += 1;
      snapshot = { ...flags, ids: rows.ids, job, more: store.next !== null, version };
      for (const listener of listeners) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return store;
}

interface Pages {
  loadNext(): Promise<void>;
  /** After a gap: what is new on top, and what may have changed among the rows that were not done. */
  catchUp(): Promise<void>;
}

function makePages(
  store: Store,
  filter: JobFilter,
  fetchPage: (query: JobsQuery) => Promise<JobPage>,
): Pages {
  const { rows } = store;
  const base = queryOf(filter);
  const catchUpTop = async (): Promise<void> => {
    const newest = rows.ids[0] ?? 0;
    let before: number | null = null;
    for (let pages = 0; ; pages += 1) {
      const page: JobPage = await fetchPage(before === null ? base : { ...base, before });
      if (pages === CATCH_UP_PAGES_MAX || rows.ids.length === 0) {
        rows.ids = [];
        rows.byId.clear();
        store.next = page.next;
      }
      mergePage(rows, page.jobs, parsePosition(page.cursor));
      const last = page.jobs.at(-1)?.jobId ?? 0;
      if (page.next === null || last <= newest || pages === CATCH_UP_PAGES_MAX) return;
      before = page.next;
    }
  };
  const refetchLiving = async (): Promise<void> => {
    const living = rows.ids.filter((jobId) => rows.byId.get(jobId)?.job.state !== 'done');
    for (let i = 0; i < living.length; i += PAGE_ROWS) {
      const ids = living.slice(i, i + PAGE_ROWS);
      const page = await fetchPage({ ids, limit: PAGE_ROWS });
      const position = parsePosition(page.cursor);
      const found = new Set(page.jobs.map(({ jobId }) => jobId));
      const rules = { filter, more: store.next !== null };
      for (const job of page.jobs) applyChange(rows, { job, position }, rules);
      for (const jobId of ids) if (!found.has(jobId)) removeJob(rows, jobId);
    }
  };
  return {
    loadNext: async () => {
      const page = await fetchPage(store.next === null ? base : { ...base, before: store.next });
      mergePage(rows, page.jobs, parsePosition(page.cursor));
      store.next = page.next;
      store.set({ loaded: true });
    },
    catchUp: async () => {
      await catchUpTop();
      await refetchLiving();
    },
  };
}

interface Pending extends Change {
  readonly position: Position;
}

/** Gathers changes, and applies them together: the page draws ten times a second however many come. */
function collectChanges(
  store: Store,
  filter: JobFilter,
): { add(change: Change, position: Position): void; stop(): void } {
  const { rows } = store;
  let pending: Pending[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    timer = undefined;
    const rules = { filter, more: store.next !== null || !store.state().loaded };
    let changed = false;
    for (const { job, deletedJobId, position } of pending) {
      if (deletedJobId !== undefined) changed = removeJob(rows, deletedJobId) || changed;
      else if (job !== undefined) changed = applyChange(rows, { job, position }, rules) || changed;
    }
    pending = [];
    if (changed) store.set({});
  };
  return {
    add: (change, position) => {
      if (change.job === undefined && change.deletedJobId === undefined) return;
      pending.push({ ...change, position });
      timer ??= setTimeout(flush, FLUSH_MS);
    },
    stop: () => clearTimeout(timer),
  };
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('The page met a fault', { code: 0, detail: String(error), http: 0 });
}
