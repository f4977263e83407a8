// Which jobs a view shows. The same predicate runs in the API, over pages of bpjobd, and in the page, over live
// changes: a row is in a view or not by one rule.

import { type ApiJob, JOB_TYPES, type Outcome } from '../schemas.ts';

export interface JobFilter {
  readonly outcomes?: readonly Outcome[] | undefined;
  readonly type?: ApiJob['type'] | undefined;
  readonly policy?: string | undefined;
  readonly client?: string | undefined;
  readonly status?: number | undefined;
  /** Submitted, or still running, since then (epoch ms). */
  readonly sinceMs?: number | undefined;
  /** Part of a name, path, volume or job id; case does not count. */
  readonly text?: string | undefined;
}

export function matchesFilter(job: ApiJob, filter: JobFilter): boolean {
  const { outcomes, type, policy, client, status, sinceMs, text } = filter;
  if (outcomes !== undefined && outcomes.length > 0 && !outcomes.includes(job.outcome))
    return false;
  if (type !== undefined && job.type !== type) return false;
  if (policy !== undefined && job.policy !== policy) return false;
  if (client !== undefined && job.client !== client) return false;
  if (status !== undefined && job.status !== status) return false;
  if (sinceMs !== undefined && job.endedMs !== null && (job.submittedMs ?? 0) < sinceMs)
    return false;
  return text === undefined || text === '' || holdsText(job, text.toLowerCase());
}

function holdsText(job: ApiJob, needle: string): boolean {
  const fields = [
    ...[String(job.jobId), job.policy, job.client, job.schedule, job.path, job.mediaServer],
    ...[job.mediaId, job.drive, job.storageUnit, job.backupId, job.statusText, job.reason],
  ];
  return fields.some((field) => field.toLowerCase().includes(needle));
}

/** `policy:nightly client:nas1 status:99 type:restore the rest` → the parts; unknown keys are text. */
export function parseSearch(
  search: string,
): Pick<JobFilter, 'policy' | 'client' | 'status' | 'type' | 'text'> {
  const rest: string[] = [];
  const found: { policy?: string; client?: string; status?: number; type?: ApiJob['type'] } = {};
  for (const word of search.split(/\s+/).filter((part) => part !== '')) {
    const [, key, value] = /^(policy|client|status|type):(.+)$/.exec(word) ?? [];
    if (key === 'policy' || key === 'client') found[key] = value!;
    else if (key === 'status' && /^\d{1,5}$/.test(value!)) found.status = Number(value);
    else if (key === 'type' && isJobType(value ?? '')) found.type = value as ApiJob['type'];
    else rest.push(word);
  }
  return rest.length === 0 ? found : { ...found, text: rest.join(' ') };
}

function isJobType(word: string): word is ApiJob['type'] {
  return (JOB_TYPES as readonly string[]).includes(word);
}
