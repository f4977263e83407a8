// After a start: provisional images whose attempts are over go, and so do file lists that belong to no image. Only
// nbjm's word ends an image, never the mere start of a daemon.

import { setTimeout as sleep } from 'node:timers/promises';
import { asStatusError, StatusError } from '@tapestry/status';
import { backupIdOf } from './adapters/file-store.ts';
import { abandonImage } from './images.ts';
import type { Parts } from './parts.ts';

const RETRY_MS = 2_000;
const CHECK_AT_ONCE = 500;

/** Tries until it succeeded or is told to stop. */
export async function reconcile(parts: Parts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await abandonDead(parts);
      const removed = await parts.files.sweep((paths) => knownFiles(parts, paths), parts.nowMs());
      if (removed > 0) parts.log.info({ removed }, 'file lists that belonged to no image are gone');
      return;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      parts.log.warn({ detail: asStatusError(error).detail }, 'could not reconcile, again soon');
      await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}

async function abandonDead(parts: Parts): Promise<void> {
  const rows = await parts.store.db
    .selectFrom('images')
    .select(['backup_id', 'job_id', 'try', 'step'])
    .where('state', '=', 'provisional')
    .execute();
  for (let at = 0; at < rows.length; at += CHECK_AT_ONCE) {
    const attempts = rows
      .slice(at, at + CHECK_AT_ONCE)
      .map((row) => ({ jobId: row.job_id, try: row.try, step: row.step }));
    const { states } = await parts.nbjm.CheckAttempts({ attempts });
    for (const { attempt, live } of states) {
      if (attempt !== null && !live) await abandonImage(parts, attempt, '');
    }
  }
}

/** Which of these files are on record: those of valid images, and all of provisional ones. */
async function knownFiles(parts: Parts, paths: readonly string[]): Promise<ReadonlySet<string>> {
  const ids = paths.map(backupIdOf).filter((id) => id !== undefined);
  if (ids.length === 0) return new Set();
  const rows = await parts.store.db
    .selectFrom('images')
    .select(['backup_id', 'client', 'state', 'list_sha256'])
    .where('backup_id', 'in', ids)
    .execute();
  const byId = new Map(rows.map((row) => [row.backup_id, row]));
  const known = paths.filter((path) => {
    const row = byId.get(backupIdOf(path) ?? '');
    if (row === undefined) return false;
    if (row.state === 'provisional') return true;
    const sha256 = row.list_sha256!.toString('hex');
    return path === parts.files.pathOf({ client: row.client, backupId: row.backup_id, sha256 });
  });
  return new Set(known);
}
