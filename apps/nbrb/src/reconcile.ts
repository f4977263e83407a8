// What nbrb does before it gives anything out: learns from nbjm which attempts still live, and from the media servers
// which drives are idle. A media server that does not answer leaves its drives as they are in the books.

import type { Attempt } from '@tapestry/contracts';
import { attemptKey } from './core/need.ts';
import { askHost } from './drives.ts';
import { startRelease } from './grants.ts';
import type { Parts } from './parts.ts';

const CHECK_AT_ONCE = 500;

/** Errors: those of nbjm.CheckAttempts; then it is to be called again. */
export async function reconcile(parts: Parts): Promise<void> {
  const hosts = await releaseWhatIsOver(parts);
  await Promise.all([...hosts].map((host) => askHost(parts, host)));
}

/** Requests and grants of attempts that nbjm calls over. @returns the media servers that have grants */
export async function releaseWhatIsOver(parts: Parts): Promise<ReadonlySet<string>> {
  const { db } = parts.store;
  const columns = ['job_id', 'try', 'step'] as const;
  const [requests, grants] = await Promise.all([
    db.selectFrom('requests').select(columns).execute(),
    db
      .selectFrom('grants')
      .select([...columns, 'grant_id', 'media_server'])
      .execute(),
  ]);
  const over = await overOf(parts, [...requests, ...grants].map(toAttempt));
  await parts.gate.write(async (tx) => {
    for (const row of requests) {
      const attempt = toAttempt(row);
      if (over.has(attemptKey(attempt))) await parts.queue.delete(tx, attempt);
    }
    for (const row of grants) {
      if (over.has(attemptKey(toAttempt(row)))) await startRelease(parts, tx, row.grant_id);
    }
  });
  return new Set(grants.map((row) => row.media_server));
}

function toAttempt(row: { job_id: bigint; try: number; step: number }): Attempt {
  return { jobId: row.job_id, try: row.try, step: row.step };
}

/** Keys of the attempts that nbjm says are over. */
export async function overOf(
  parts: Parts,
  attempts: readonly Attempt[],
): Promise<ReadonlySet<string>> {
  const over = new Set<string>();
  for (let at = 0; at < attempts.length; at += CHECK_AT_ONCE) {
    const batch = attempts.slice(at, at + CHECK_AT_ONCE);
    const { states } = await parts.neighbours.nbjm.CheckAttempts({ attempts: batch });
    for (const { attempt, live } of states) {
      if (attempt !== null && !live) over.add(attemptKey(attempt));
    }
  }
  return over;
}

/** A lease that ran while nobody could renew it counts from now: the silence was ours. */
export async function forgiveSilence(parts: Parts): Promise<void> {
  await parts.gate.write((tx) =>
    tx
      .updateTable('grants')
      .set({ renewed_ms: parts.nowMs() })
      .where('state', 'in', ['active', 'assigning'])
      .execute(),
  );
}
