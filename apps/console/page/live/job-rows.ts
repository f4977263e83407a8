// The rows of one view, kept in order while pages arrive and changes stream in. Plain data and pure rules: what a
// row knows is never replaced by something older, and a view holds exactly the jobs that match it.

import { type JobFilter, matchesFilter } from '../../src/core/job-filter.ts';
import type { Job } from '../api.ts';
import { isNewer, type Position } from './stream.ts';

export interface Known {
  readonly job: Job;
  readonly position: Position;
}

export interface Rows {
  /** Newest first. */
  ids: number[];
  readonly byId: Map<number, Known>;
}

export function emptyRows(): Rows {
  return { ids: [], byId: new Map() };
}

/** Where an id stands, or would stand, in ids sorted downwards. */
export function placeOf(ids: readonly number[], jobId: number): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle]! > jobId) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Merges a page that was right at `position`. */
export function mergePage(rows: Rows, jobs: readonly Job[], position: Position): void {
  const fresh: number[] = [];
  for (const job of jobs) {
    const known = rows.byId.get(job.jobId);
    if (known !== undefined && isNewer(known.position, position)) continue;
    if (known === undefined) fresh.push(job.jobId);
    rows.byId.set(job.jobId, { job, position });
  }
  if (fresh.length === 0) return;
  fresh.sort((a, b) => b - a);
  const last = rows.ids.at(-1);
  if (last === undefined || fresh[0]! < last) rows.ids.push(...fresh);
  else rows.ids = [...rows.ids, ...fresh].sort((a, b) => b - a);
}

export interface ViewRules {
  readonly filter: JobFilter;
  /** True when older pages are still to come: an older job then belongs to them. */
  readonly more: boolean;
}

/** Applies one change; false when the view stays as it is. */
export function applyChange(
  rows: Rows,
  { job, position }: Known,
  { filter, more }: ViewRules,
): boolean {
  const known = rows.byId.get(job.jobId);
  if (known !== undefined && !isNewer(position, known.position)) return false;
  if (!matchesFilter(job, filter)) return known !== undefined && removeJob(rows, job.jobId);
  if (known === undefined) {
    const lowest = rows.ids.at(-1);
    if (more && lowest !== undefined && job.jobId < lowest) return false;
    rows.ids.splice(placeOf(rows.ids, job.jobId), 0, job.jobId);
  }
  rows.byId.set(job.jobId, { job, position });
  return true;
}

export function removeJob(rows: Rows, jobId: number): boolean {
  if (!rows.byId.delete(jobId)) return false;
  const place = placeOf(rows.ids, jobId);
  if (rows.ids[place] === jobId) rows.ids.splice(place, 1);
  return true;
}
