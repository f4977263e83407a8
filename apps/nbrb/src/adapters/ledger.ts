// The books on disk: grants, and who holds which drive and volume. Each function is part of one transaction; the
// keys of `holdings` make a second owner impossible, whatever its caller believed.

import { type Attempt, codec, type Grant, type GrantRef } from '@tapestry/contracts';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { DriveEntry } from '../core/drive-report.ts';
import type { Holdings } from '../core/grant.ts';
import type { Tx } from './queue.ts';
import type { GrantsTable, RbDb } from './schema.ts';

export type GrantRow = Selectable<GrantsTable>;

export function attemptOf(row: Pick<GrantRow, 'job_id' | 'try' | 'step'>): Attempt {
  return { jobId: row.job_id, try: row.try, step: row.step };
}

export function refOf(row: GrantRow): GrantRef {
  return { attempt: attemptOf(row), grantId: row.grant_id, epoch: row.epoch };
}

export function grantOf(row: GrantRow): Grant {
  return codec('Grant').decode(row.grant);
}

export async function nextEpoch(tx: Tx): Promise<bigint> {
  const { rows } = await sql<{ epoch: bigint }>`select nextval('grant_epoch') epoch`.execute(tx);
  return rows[0]!.epoch;
}

export interface NewGrant {
  readonly grant: Grant;
  readonly attempt: Attempt;
  readonly request: Buffer;
  readonly needsAssign: boolean;
  readonly nowMs: number;
}

/** Errors: a unique violation when somebody else holds the drive or the volume, or the attempt has a grant. */
export async function insertGrant(tx: Tx, entry: NewGrant): Promise<void> {
  const { grant, attempt, needsAssign, nowMs } = entry;
  const drive = grant.drive?.name ?? '';
  const mediaId = grant.volume?.mediaId ?? '';
  await tx
    .insertInto('grants')
    .values({
      ...{ grant_id: grant.grantId, job_id: attempt.jobId, try: attempt.try, step: attempt.step },
      ...{ epoch: grant.epoch, state: needsAssign ? ('assigning' as const) : ('active' as const) },
      ...{ drive, media_id: mediaId, media_server: grant.mediaServer },
      ...{ storage_unit: grant.storageUnit, writes: grant.mode !== 'DRIVE_MODE_READ' },
      ...{ counters: [...grant.counters], request: entry.request, needs_assign: needsAssign },
      grant: Buffer.from(codec('Grant').encode(grant)),
      ...{ renewed_ms: nowMs, release_ms: 0, reason: '' },
    })
    .execute();
  const holding = {
    ...{ grant_id: grant.grantId, drive, host: grant.mediaServer, job_id: attempt.jobId },
    ...{ reason: '', since_ms: nowMs },
  };
  await tx
    .insertInto('holdings')
    .values([
      { kind: 'drive', name: drive, ...holding },
      { kind: 'volume', name: mediaId, ...holding },
    ])
    .execute();
}

export async function findGrant(tx: Kysely<RbDb>, grantId: string): Promise<GrantRow | undefined> {
  return await tx
    .selectFrom('grants')
    .selectAll()
    .where('grant_id', '=', grantId)
    .executeTakeFirst();
}

export async function findGrantOf(tx: Tx, attempt: Attempt): Promise<GrantRow | undefined> {
  return await tx
    .selectFrom('grants')
    .selectAll()
    .where('job_id', '=', attempt.jobId)
    .where('try', '=', attempt.try)
    .where('step', '=', attempt.step)
    .executeTakeFirst();
}

/** The grant with its row locked, so that two changes of it come one after the other. */
export async function lockGrant(tx: Tx, grantId: string): Promise<GrantRow | undefined> {
  return await tx
    .selectFrom('grants')
    .selectAll()
    .where('grant_id', '=', grantId)
    .forUpdate()
    .executeTakeFirst();
}

export async function deleteGrant(tx: Tx, grantId: string): Promise<void> {
  await tx.deleteFrom('holdings').where('grant_id', '=', grantId).execute();
  await tx.deleteFrom('grants').where('grant_id', '=', grantId).execute();
}

/** The writer's end is not known: drive and volume stay taken, with the reason. */
export async function makeUnknown(tx: Tx, grantId: string, reason: string): Promise<void> {
  await tx
    .updateTable('grants')
    .set({ state: 'lost', reason })
    .where('grant_id', '=', grantId)
    .execute();
  await tx.updateTable('holdings').set({ reason }).where('grant_id', '=', grantId).execute();
}

export async function loadHoldings(db: Kysely<RbDb>): Promise<Holdings> {
  const [held, grants] = await Promise.all([
    db.selectFrom('holdings').selectAll().execute(),
    db.selectFrom('grants').select(['state', 'counters', 'storage_unit', 'writes']).execute(),
  ]);
  return {
    held: held.map(({ kind, name, job_id, grant_id, reason }) => ({
      ...{ kind, name, reason },
      jobId: grant_id === '' ? undefined : job_id,
    })),
    // A job that ended no longer counts as a job, but its drive counts until it is free or unknown.
    uses: grants
      .filter((grant) => grant.state !== 'lost')
      .map((grant) => ({
        counters: grant.state === 'releasing' ? [] : grant.counters,
        ...{ storageUnit: grant.storage_unit, writes: grant.writes },
      })),
  };
}

/** Drives in the books of one media server. */
export async function driveEntries(tx: Tx, host: string): Promise<DriveEntry[]> {
  const rows = await tx
    .selectFrom('holdings')
    .leftJoin('grants', 'grants.grant_id', 'holdings.grant_id')
    .select(['holdings.name', 'holdings.grant_id', 'grants.state'])
    .where('holdings.kind', '=', 'drive')
    .where('holdings.host', '=', host)
    .execute();
  return rows.map((row) => ({
    ...{ drive: row.name, grantId: row.grant_id, state: row.state ?? 'unknown' },
  }));
}

/** Hosts to ask about what is being released, lost or unknown. */
export async function doubtfulHosts(db: Kysely<RbDb>): Promise<string[]> {
  const { rows } = await sql<{ host: string }>`select distinct h.host from holdings h
    left join grants g on g.grant_id = h.grant_id
    where h.reason <> '' or g.state in ('releasing', 'lost')`.execute(db);
  return rows.map((row) => row.host);
}
