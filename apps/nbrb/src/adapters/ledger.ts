// The books on disk: grants, and who holds which drive and volume. Each function is part of one transaction; the
// keys of `holdings` make a second owner impossible, whatever its caller believed.

import {
  type Attempt,
  codec,
  type Grant,
  type GrantRef,
  type ResourceRequest,
} from '@tapestry/contracts';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { Holdings, MpxGroup } from '../core/books.ts';
import type { DriveEntry } from '../core/drive-report.ts';
import { isLive, type Member } from '../core/life.ts';
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

export function requestOf(row: GrantRow): ResourceRequest {
  return codec('ResourceRequest').decode(row.request);
}

export function memberOf({ grant_id, state }: Pick<GrantRow, 'grant_id' | 'state'>): Member {
  return { grantId: grant_id, state };
}

export async function nextEpoch(tx: Tx): Promise<bigint> {
  const { rows } = await sql<{ epoch: bigint }>`select nextval('grant_epoch') epoch`.execute(tx);
  return rows[0]!.epoch;
}

export interface NewGrant {
  readonly grant: Grant;
  readonly attempt: Attempt;
  readonly part: number;
  readonly request: Buffer;
  readonly pool: string;
  readonly retentionLevel: number;
  readonly mpxMax: number;
  readonly state: 'assigning' | 'active';
  readonly needsAssign: boolean;
  readonly nowMs: number;
}

/** Errors: a unique violation when somebody else holds the drive or the volume, or the attempt has a grant. */
export async function insertGrant(tx: Tx, entry: NewGrant): Promise<void> {
  const { grant, attempt, part, state, needsAssign, nowMs } = entry;
  const { grantId, mediaServer, storageUnit, mpxGroup } = grant;
  const drive = grant.drive?.name ?? '';
  const mediaId = grant.volume?.mediaId ?? '';
  await tx
    .insertInto('grants')
    .values({
      ...{ grant_id: grantId, job_id: attempt.jobId, try: attempt.try, step: attempt.step },
      ...{ epoch: grant.epoch, state, drive, media_id: mediaId, media_server: mediaServer },
      ...{ storage_unit: storageUnit, writes: grant.mode !== 'DRIVE_MODE_READ' },
      ...{ counters: [...grant.counters], request: entry.request, needs_assign: needsAssign },
      grant: Buffer.from(codec('Grant').encode(grant)),
      ...{ renewed_ms: nowMs, release_ms: 0, reason: '', part, assigned: false, joinable: true },
      ...{ group_id: mpxGroup === '' ? grantId : mpxGroup, pool: entry.pool },
      ...{ retention_level: entry.retentionLevel, mpx_max: entry.mpxMax },
      volume_number: grant.volumeNumber,
    })
    .execute();
  // Who joins a group shares what it holds; a disk storage unit is shared by nature.
  if (mpxGroup !== '' || drive === '') return;
  const holding = {
    ...{ group_id: grantId, drive, host: mediaServer, job_id: attempt.jobId },
    ...{ reason: '', since_ms: nowMs, number: 0, pending: false },
  };
  await tx
    .insertInto('holdings')
    .values([
      { kind: 'drive', name: drive, ...holding, taken: false },
      { kind: 'volume', name: mediaId, ...holding, taken: needsAssign },
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

/** The grant with its row locked, so that two changes of it come one after the other. */
export async function lockGrant(tx: Tx, grantId: string): Promise<GrantRow | undefined> {
  return await tx
    .selectFrom('grants')
    .selectAll()
    .where('grant_id', '=', grantId)
    .forUpdate()
    .executeTakeFirst();
}

/** All grants of an attempt, its first need first, locked. */
export async function lockAttempt(tx: Tx, attempt: Attempt): Promise<GrantRow[]> {
  return await tx
    .selectFrom('grants')
    .selectAll()
    .where('job_id', '=', attempt.jobId)
    .where('try', '=', attempt.try)
    .where('step', '=', attempt.step)
    .orderBy('part')
    .forUpdate()
    .execute();
}

/** The streams that share a drive, locked. */
export async function lockGroup(tx: Tx, groupId: string): Promise<GrantRow[]> {
  return await tx
    .selectFrom('grants')
    .selectAll()
    .where('group_id', '=', groupId)
    .orderBy('epoch')
    .forUpdate()
    .execute();
}

export async function deleteGrants(tx: Tx, grantIds: readonly string[]): Promise<void> {
  if (grantIds.length === 0) return;
  await tx.deleteFrom('grants').where('grant_id', 'in', grantIds).execute();
}

/** @returns the volumes among them that were assigned for the group */
export async function deleteHoldings(tx: Tx, groupId: string): Promise<string[]> {
  const gone = await tx
    .deleteFrom('holdings')
    .where('group_id', '=', groupId)
    .returning(['name', 'taken'])
    .execute();
  return gone.filter(({ taken }) => taken).map(({ name }) => name);
}

/** The host reports this volume in the drive: those that its group had before are free. @returns those assigned for it */
export async function deleteVolumesBefore(
  tx: Tx,
  groupId: string,
  mediaId: string,
): Promise<{ readonly freed: number; readonly taken: string[] }> {
  const now = await tx
    .selectFrom('holdings')
    .select('number')
    .where('kind', '=', 'volume')
    .where('name', '=', mediaId)
    .where('group_id', '=', groupId)
    .executeTakeFirst();
  if (now === undefined) return { freed: 0, taken: [] };
  const gone = await tx
    .deleteFrom('holdings')
    .where('kind', '=', 'volume')
    .where('group_id', '=', groupId)
    .where('number', '<', now.number)
    .returning(['name', 'taken'])
    .execute();
  return { freed: gone.length, taken: gone.filter((row) => row.taken).map(({ name }) => name) };
}

/** The writer's end is not known. Drive and volume stay taken, with the reason once no other stream lives on them. */
export async function makeUnknown(tx: Tx, row: GrantRow, reason: string): Promise<void> {
  const group = await lockGroup(tx, row.group_id);
  await tx
    .updateTable('grants')
    .set({ state: 'lost', reason })
    .where('grant_id', '=', row.grant_id)
    .execute();
  if (group.some((each) => each.grant_id !== row.grant_id && isLive(memberOf(each)))) return;
  await tx.updateTable('holdings').set({ reason }).where('group_id', '=', row.group_id).execute();
}

export async function loadHoldings(db: Kysely<RbDb>): Promise<Holdings> {
  const [held, grants] = await Promise.all([
    db.selectFrom('holdings').selectAll().execute(),
    db
      .selectFrom('grants')
      .select(['grant_id', 'group_id', 'job_id', 'epoch', 'state', 'counters', 'storage_unit'])
      .select(['media_server', 'writes', 'pool', 'retention_level', 'mpx_max', 'joinable'])
      .select(['drive', 'media_id'])
      .execute(),
  ]);
  // A drive counts once for its storage unit, however many streams share it.
  const counted = new Set<string>();
  return {
    held: held.map(({ kind, name, job_id, group_id, reason }) => ({
      ...{ kind, name, reason },
      jobId: group_id === '' ? undefined : job_id,
    })),
    // A job that ended no longer counts as a job, but its drive counts until it is free or unknown.
    uses: grants
      .filter((grant) => grant.state !== 'lost')
      .map((grant) => {
        const writes = grant.writes && !counted.has(grant.group_id);
        counted.add(grant.group_id);
        return {
          counters: grant.state === 'releasing' ? [] : grant.counters,
          ...{ storageUnit: grant.storage_unit, mediaServer: grant.media_server },
          ...{ writes, epoch: grant.epoch },
        };
      }),
    groups: groupsOf(grants.filter((grant) => grant.mpx_max > 1)),
  };
}

type GroupColumns = Pick<
  GrantRow,
  | 'grant_id'
  | 'group_id'
  | 'job_id'
  | 'state'
  | 'storage_unit'
  | 'pool'
  | 'retention_level'
  | 'mpx_max'
  | 'joinable'
  | 'drive'
  | 'media_id'
>;

function groupsOf(rows: readonly GroupColumns[]): MpxGroup[] {
  const byId = new Map<string, GroupColumns[]>();
  for (const row of rows) byId.set(row.group_id, [...(byId.get(row.group_id) ?? []), row]);
  return [...byId].map(([id, members]) => {
    const first = members[0]!;
    const { job_id, storage_unit, pool, retention_level, drive, media_id } = first;
    const closed = members.some((each) => !each.joinable || !isLive(memberOf(each)));
    const opening = members.some((each) => each.state === 'assigning');
    return {
      ...{ id, jobId: job_id, storageUnit: storage_unit, pool, retentionLevel: retention_level },
      ...{ drive, mediaId: media_id, members: members.length },
      max: Math.min(...members.map((each) => each.mpx_max)),
      state: closed ? 'closed' : opening ? 'opening' : 'open',
    };
  });
}

/** Drives in the books of one media server. */
export async function driveEntries(tx: Tx, host: string): Promise<DriveEntry[]> {
  const rows = await tx
    .selectFrom('holdings')
    .leftJoin('grants', 'grants.group_id', 'holdings.group_id')
    .select(['holdings.name', 'holdings.group_id', 'grants.grant_id', 'grants.state'])
    .where('holdings.kind', '=', 'drive')
    .where('holdings.host', '=', host)
    .execute();
  const entries = new Map<string, DriveEntry & { members: Member[] }>();
  for (const { name, group_id, grant_id, state } of rows) {
    const entry = entries.get(name) ?? { drive: name, group: group_id, members: [] };
    if (grant_id !== null && state !== null) entry.members.push({ grantId: grant_id, state });
    entries.set(name, entry);
  }
  return [...entries.values()];
}

/** Hosts to ask about what is being released, lost or unknown. */
export async function doubtfulHosts(db: Kysely<RbDb>): Promise<string[]> {
  const { rows } = await sql<{ host: string }>`select distinct h.host from holdings h
    left join grants g on g.group_id = h.group_id
    where (h.reason <> '' and h.host <> '') or g.state in ('releasing', 'lost')`.execute(db);
  return rows.map((row) => row.host);
}
