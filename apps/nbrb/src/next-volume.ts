// An image goes on upon another volume in the drive that it has. Promises: the grant, its epoch and its drive stay; a
// volume is taken by one grant at a time; each number of a grant names one volume, however often it is asked for; the
// volume before stays taken until its host reports the next one in the drive (drives.ts).

import { randomUUID } from 'node:crypto';
import type { Handlers } from '@tapestry/bus';
import {
  codec,
  type MdsVolume,
  type NextVolumeRequest,
  type ResourceRequest,
  type VolumeSpec,
} from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import { isUniqueViolation } from '@tapestry/store';
import { type GrantRow, grantOf, lockGrant, lockGroup, requestOf } from './adapters/ledger.ts';
import type { Tx } from './adapters/queue.ts';
import { isWrite, needsOf, poolOf } from './core/need.ts';
import { chooseNext, type NextVolume } from './core/next-volume.ts';
import { isSame } from './grants.ts';
import type { Parts, RbEffects } from './parts.ts';

export function nextVolumeHandlers(parts: Parts): Pick<Handlers<'nbrb'>, 'NextVolume'> {
  return { NextVolume: (request, call) => nextVolume(parts, request, call.caller.host) };
}

type Answer = { readonly volume: VolumeSpec } | { readonly reasons: string[] };

async function nextVolume(
  parts: Parts,
  request: NextVolumeRequest,
  askerHost: string | undefined,
): Promise<Answer> {
  const found = await parts.gate.write((tx) => look(tx, request));
  if ('answer' in found) return found.answer;
  const { media_server: host } = found.row;
  if (askerHost !== undefined && askerHost !== host) {
    throw new StatusError('invalidServer', `${askerHost} may not ask for a grant of ${host}`);
  }
  const offer = await ask(parts, found.need, found.row.drive);
  try {
    return await parts.gate.write(async (tx) => {
      // Somebody may have asked twice at once.
      const now = await look(tx, request);
      if ('answer' in now) return now.answer;
      const choice = await choose(parts, tx, now, offer);
      if ('reasons' in choice) return { reasons: [...choice.reasons] };
      return await take(parts, tx, now, choice.volume);
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return { reasons: ['the volume was taken by another job in this moment'] };
  }
}

interface Wanted {
  readonly row: GrantRow;
  readonly number: number;
  readonly need: ResourceRequest;
}

/** Errors: 902 the grant is not valid, or is at another number. */
async function look(
  tx: Tx,
  { grant, number, mediaId, avoidMediaIds }: NextVolumeRequest,
): Promise<Wanted | { readonly answer: Answer }> {
  const row = grant === null ? undefined : await lockGrant(tx, grant.grantId);
  if (row === undefined || !isSame(row, grant)) {
    throw new StatusError('staleGrant', 'the grant that asks for a volume is not valid');
  }
  if (row.drive === '') throw new StatusError('invalidRequest', 'the grant has no drive');
  const { volume } = grantOf(row);
  if (row.volume_number === number && volume !== null) return { answer: { volume } };
  if (row.volume_number !== number - 1) {
    const detail = `volume ${number} is asked for, the grant is at ${row.volume_number}`;
    throw new StatusError('staleGrant', detail);
  }
  const own = await tx
    .selectFrom('holdings')
    .selectAll()
    .where('group_id', '=', row.group_id)
    .where('kind', '=', 'volume')
    .execute();
  const pending = own.find((each) => each.pending);
  if (pending !== undefined) {
    return { answer: { reasons: [`volume ${pending.name} is being assigned`] } };
  }
  const need = needsOf(requestOf(row))[row.part]!.request;
  if (!isWrite(need)) return { row, number, need: { ...need, mediaId } };
  const avoid = [...need.avoidMediaIds, ...avoidMediaIds, ...own.map(({ name }) => name)];
  return { row, number, need: { ...need, avoidMediaIds: avoid } };
}

interface Offered {
  readonly volumes: readonly MdsVolume[];
  readonly reasons: readonly string[];
}

/** What nbemm refuses now may fit once somebody adds a volume: whoever asks decides how long it waits. */
async function ask(parts: Parts, request: ResourceRequest, nextInDrive: string): Promise<Offered> {
  const held = await parts.store.db
    .selectFrom('holdings')
    .select('name')
    .where('kind', '=', 'volume')
    .execute();
  const inUseMediaIds = held.map(({ name }) => name);
  const nowMs = BigInt(parts.nowMs());
  try {
    const { choices, refusal, reasons } = await parts.neighbours.nbemm.Evaluate({
      ...{ request, nowMs, inUseMediaIds, nextInDrive },
    });
    return { volumes: choices[0]?.volumes ?? [], reasons: refusal ? [refusal.detail] : reasons };
  } catch (error) {
    return { volumes: [], reasons: [`nbemm could not be asked: ${asStatusError(error).detail}`] };
  }
}

async function choose(
  parts: Parts,
  tx: Tx,
  { row, need }: Wanted,
  { volumes, reasons }: Offered,
): Promise<NextVolume> {
  const held = await tx
    .selectFrom('holdings')
    .select(['name', 'group_id', 'job_id', 'reason'])
    .where('kind', '=', 'volume')
    .execute();
  return chooseNext({
    ...{ offered: volumes, reasons, group: row.group_id, writes: isWrite(need) },
    held: held.map(({ name, group_id, job_id, reason }) => ({
      ...{ name, group: group_id, jobId: job_id, reason },
    })),
    waiting: parts.queue.requests.rows,
  });
}

/** One that needs no assigning is the grant's at once; else it is kept for it until nbemm has answered. */
async function take(
  parts: Parts,
  tx: Tx,
  { row, number, need }: Wanted,
  { volume, needsAssign, version }: MdsVolume,
): Promise<Answer> {
  const mediaId = volume!.mediaId;
  const { group_id, drive, media_server: host, job_id } = row;
  const mine = { number, pending: needsAssign, taken: needsAssign };
  const again = await tx
    .updateTable('holdings')
    .set({ number })
    .where('kind', '=', 'volume')
    .where('name', '=', mediaId)
    .where('group_id', '=', group_id)
    .returning('name')
    .execute();
  if (again.length === 0) {
    const holding = { group_id, drive, host, job_id, reason: '', since_ms: parts.nowMs() };
    const entry = { kind: 'volume' as const, name: mediaId, ...holding, ...mine };
    await tx.insertInto('holdings').values(entry).execute();
  }
  parts.log.info({ grantId: row.grant_id, mediaId, number }, 'an image goes on upon a volume');
  if (!needsAssign) {
    await putInto(tx, group_id, volume!, number);
    return { volume: volume! };
  }
  await parts.effects.enqueue(tx, {
    ...{ kind: 'assignNext', lane: `grant/${group_id}` },
    // Once for each time that it is kept: also again for a volume that was given up and is offered again.
    key: `grant/${group_id}/assign/${number}/${randomUUID()}`,
    payload: {
      ...{ grantId: group_id, mediaServer: host, mediaId, volumeVersion: version, number },
      ...{ pool: poolOf(need), retentionLevel: need.retentionLevel },
    },
  });
  return { reasons: [`volume ${mediaId} is being assigned`] };
}

/** The volume is that of all who share the drive. */
async function putInto(tx: Tx, groupId: string, volume: VolumeSpec, number: number): Promise<void> {
  for (const row of await lockGroup(tx, groupId)) {
    const grant = { ...grantOf(row), volume, volumeNumber: number };
    await tx
      .updateTable('grants')
      .set({
        ...{ media_id: volume.mediaId, volume_number: number },
        grant: Buffer.from(codec('Grant').encode(grant)),
      })
      .where('grant_id', '=', row.grant_id)
      .execute();
  }
}

/** The effect: a volume that changed meanwhile is given up, and the next question finds another. */
export async function assignNext(
  parts: Parts,
  { number, ...payload }: RbEffects['assignNext'],
  signal: AbortSignal,
): Promise<void> {
  const { grantId: groupId, mediaId } = payload;
  let volume: VolumeSpec | null = null;
  try {
    ({ volume } = await parts.neighbours.nbemm.AssignVolume(payload, { signal }));
  } catch (error) {
    if (!(error instanceof StatusError) || error.retryable) throw error;
    parts.log.warn({ groupId, mediaId, detail: error.detail }, 'a next volume could not be taken');
  }
  await parts.gate.write(async (tx) => {
    const pending = await tx
      .updateTable('holdings')
      .set({ pending: false })
      .where('kind', '=', 'volume')
      .where('name', '=', mediaId)
      .where('group_id', '=', groupId)
      .where('pending', '=', true)
      .returning('name')
      .execute();
    // The group has ended meanwhile: what was assigned goes back by the effect behind this one.
    if (pending.length === 0) return;
    if (volume !== null) return await putInto(tx, groupId, volume, number);
    await tx
      .deleteFrom('holdings')
      .where('kind', '=', 'volume')
      .where('name', '=', mediaId)
      .where('group_id', '=', groupId)
      .execute();
  });
}
