// What the address says about the view, and back: filters are in the URL, so that a view can be sent to a colleague.

import { type JobFilter, parseSearch } from '../../src/core/job-filter.ts';
import { OUTCOME_NAMES, type OutcomeName } from './outcomes.ts';

export interface View {
  readonly search: string;
  readonly outcomes: readonly OutcomeName[];
  readonly since: Since;
}

export const SINCE_MS = {
  all: null,
  '24h': 24 * 3_600_000,
  '7d': 7 * 24 * 3_600_000,
  '30d': 30 * 24 * 3_600_000,
} as const;

export type Since = keyof typeof SINCE_MS;

export function viewOf(params: URLSearchParams): View {
  const since = params.get('since') ?? 'all';
  const outcomes = (params.get('state') ?? '').split(',');
  return {
    search: params.get('q') ?? '',
    outcomes: OUTCOME_NAMES.filter((name) => outcomes.includes(name)),
    since: since in SINCE_MS ? (since as Since) : 'all',
  };
}

export function paramsOf({ search, outcomes, since }: View): URLSearchParams {
  const params = new URLSearchParams();
  if (outcomes.length > 0) params.set('state', outcomes.join(','));
  if (search !== '') params.set('q', search);
  if (since !== 'all') params.set('since', since);
  return params;
}

export function hrefOf(view: View, jobId: number | null): string {
  const params = paramsOf(view).toString();
  const path = jobId === null ? '/activity' : `/activity/${jobId}`;
  return params === '' ? path : `${path}?${params}`;
}

/** The start is rounded to the minute, so that the same view is the same filter for a while. */
export function filterOf({ search, outcomes, since }: View, nowMs: number): JobFilter {
  const span = SINCE_MS[since];
  const sinceMs = span === null ? undefined : Math.floor((nowMs - span) / 60_000) * 60_000;
  return { ...parseSearch(search), outcomes, sinceMs };
}

export function isFiltered({ search, outcomes, since }: View): boolean {
  return search !== '' || outcomes.length > 0 || since !== 'all';
}
