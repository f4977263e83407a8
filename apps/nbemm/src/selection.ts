// Handlers that nbrb asks: which resources fit (MDS), and the taking of an unassigned volume under a grant. Promises
// that a volume is assigned to one grant at a time, as it was when it was evaluated, and that a repeat changes nothing.

import type { Handlers } from '@tapestry/bus';
import type {
  AssignVolumeRequest,
  EvaluateReply,
  EvaluateRequest,
  Init,
  ReportDisksRequest,
  UnassignVolumeRequest,
  VolumeSpec,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { volumeSpec } from './adapters/rows.ts';
import { forgetImages, lockVolume, NO_CONTENTS } from './adapters/volume-rows.ts';
import { diskFull } from './core/disk-choice.ts';
import { select } from './core/select.ts';
import { change, type Parts } from './parts.ts';

type SelectionHandlers = Pick<
  Handlers<'nbemm'>,
  'Evaluate' | 'ReportDisks' | 'AssignVolume' | 'UnassignVolume'
>;

export function selectionHandlers(parts: Parts): SelectionHandlers {
  return {
    Evaluate: (request) => evaluate(parts, request),
    ReportDisks: (request, call) => reportDisks(parts, request, call.caller.host),
    AssignVolume: (request) => assignVolume(parts, request),
    UnassignVolume: (request) => unassignVolume(parts, request),
  };
}

async function evaluate(
  parts: Parts,
  { request, nowMs, inUseMediaIds, nextInDrive }: EvaluateRequest,
): Promise<EvaluateReply> {
  if (request === null) throw new StatusError('invalidRequest', 'Evaluate needs a request');
  const facts = { nowMs: Number(nowMs), inUseMediaIds, nextInDrive };
  return select(await parts.inventory.read(), request, facts);
}

async function reportDisks(parts: Parts, { disks }: ReportDisksRequest, host: string | undefined) {
  const { inventory } = parts;
  const { units, disks: known } = await inventory.read();
  const atMs = parts.nowMs();
  const own = new Map(units.filter((unit) => unit.mediaServer === host).map((u) => [u.label, u]));
  for (const { storageUnit, capacityBytes, freeBytes } of disks) {
    const unit = own.get(storageUnit);
    if (unit === undefined) continue;
    const fact = { capacityBytes, freeBytes, atMs };
    const isFull = diskFull(unit, fact, atMs) !== undefined;
    const wasFull = diskFull(unit, known.get(storageUnit), atMs) !== undefined;
    inventory.noteDisk(storageUnit, fact);
    // Those who wait for room were told that there is none: they are to ask again.
    if (isFull) void parts.fullDisks.isFull(storageUnit, atMs);
    else parts.fullDisks.hasRoom(storageUnit);
    if (wasFull && !isFull) {
      await change(parts, `storage unit ${storageUnit}`, async () => undefined);
    }
  }
  return {};
}

async function assignVolume(
  parts: Parts,
  request: AssignVolumeRequest,
): Promise<{ volume: Init<VolumeSpec> }> {
  const { grantId, mediaId } = request;
  const volume = await change(parts, `volume ${mediaId}`, async (tx) => {
    const row = await lockVolume(tx, mediaId);
    if (row.assigned_grant === grantId) return volumeSpec(row);
    if (row.version !== request.volumeVersion || row.assigned_ms !== 0) {
      const why = `volume ${mediaId} has changed since it was chosen`;
      throw new StatusError('conflict', why, { mediaId });
    }
    // A label repeats this time: it must be another than any the volume has carried before.
    const assignedMs = Math.max(parts.nowMs(), row.assigned_last_ms + 1);
    await forgetImages(tx, mediaId);
    const assigned = await tx
      .updateTable('volumes')
      .set((eb) => ({
        ...{ assigned_ms: assignedMs, assigned_last_ms: assignedMs, assigned_grant: grantId },
        ...{ pool: request.pool, previous_pool: row.pool, owner: request.mediaServer },
        ...{ retention_level: request.retentionLevel, ...NO_CONTENTS },
        version: eb('version', '+', 1n),
      }))
      .where('media_id', '=', mediaId)
      .returningAll()
      .executeTakeFirstOrThrow();
    return volumeSpec(assigned);
  });
  return { volume };
}

async function unassignVolume(parts: Parts, { grantId, mediaId }: UnassignVolumeRequest) {
  await change(parts, `volume ${mediaId}`, (tx) =>
    tx
      .updateTable('volumes')
      .set((eb) => ({
        ...{ assigned_ms: 0, assigned_grant: '', owner: '', retention_level: 0 },
        pool: eb.ref('previous_pool'),
        version: eb('version', '+', 1n),
      }))
      .where('media_id', '=', mediaId)
      .where('assigned_grant', '=', grantId)
      // Something was written under it: then it stays what it is.
      .where('images', '=', 0)
      .execute(),
  );
  return {};
}
