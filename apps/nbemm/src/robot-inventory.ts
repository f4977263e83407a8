// The handler of vmupdate: reads what a robot holds through the ltid that controls it, and lets the records follow, or
// only tells. Promises one transaction for all that an inventory changes.

import type { Handlers } from '@tapestry/bus';
import type { Element, InventoryChange, InventoryRobotRequest } from '@tapestry/contracts';
import type { Kysely } from 'kysely';
import type { EmmDb } from './adapters/schema.ts';
import { checkGroup } from './core/checks.ts';
import { mediaTypeOf } from './core/media-type.ts';
import { type InventoryPlan, planInventory } from './core/robot-inventory.ts';
import { residenceGroup } from './core/volume-edit.ts';
import { readBarcodeRules, readMediaIdRules } from './media-rules.ts';
import { edit, type Parts, type Tx } from './parts.ts';
import { requirePool, requireRobot } from './required-records.ts';
import { DEFAULT_POOL, insertVolume } from './volumes.ts';

const DEFAULT_TYPE = 'hcart';

export function inventoryHandlers(parts: Parts): Pick<Handlers<'nbemm'>, 'InventoryRobot'> {
  return { InventoryRobot: (request) => inventoryRobot(parts, request) };
}

async function inventoryRobot(parts: Parts, request: InventoryRobotRequest) {
  const { robotNumber, recommendOnly } = request;
  checkGroup(request.volumeGroup);
  const { control_host } = await requireRobot(parts.store.db, robotNumber);
  const ltid = parts.ltid(control_host);
  const moving = request.emptyMap && !recommendOnly;
  const imported = moving ? (await ltid.ImportVolumes({ robotNumber })).media : [];
  const { elements } = await ltid.ReadElements({ robotNumber });
  const plan = recommendOnly
    ? await planOf(parts.store.db, request, elements)
    : await edit(parts, `robot ${robotNumber}`, (tx) => carryOut(parts, tx, request, elements));
  const unusable = [...plan.unusable];
  if (unusable.length > 0) parts.log.warn({ robotNumber, unusable }, 'some media have no use');
  return { changes: [...plan.changes], unusable, elements, imported, applied: !recommendOnly };
}

/** The plan is made in the transaction: what was on record a moment ago may be another volume's place by now. */
async function carryOut(
  parts: Parts,
  tx: Tx,
  request: InventoryRobotRequest,
  elements: readonly Element[],
): Promise<InventoryPlan> {
  const { robotNumber, volumeGroup } = request;
  const plan = await planOf(tx, request, elements);
  const robot = await requireRobot(tx, robotNumber);
  const place = { robotNumber, volumeGroup: volumeGroup || residenceGroup(robot) };
  for (const each of plan.changes) await applyChange(parts, tx, each, place);
  return plan;
}

async function planOf(
  db: Kysely<EmmDb>,
  request: InventoryRobotRequest,
  elements: readonly Element[],
): Promise<InventoryPlan> {
  const { robotNumber } = request;
  const pool = request.pool || DEFAULT_POOL;
  await requirePool(db, pool);
  const drive = await db
    .selectFrom('drives')
    .select('density')
    .where('robot_number', '=', robotNumber)
    .orderBy('index')
    .executeTakeFirst();
  const { name: mediaType } = mediaTypeOf(request.mediaType || drive?.density || DEFAULT_TYPE);
  const rows = await db
    .selectFrom('volumes')
    .select(['media_id', 'barcode', 'robot_number', 'slot'])
    .execute();
  const known = rows.map((row) => ({
    ...{ mediaId: row.media_id, barcode: row.barcode },
    ...{ robotNumber: row.robot_number, slot: row.slot },
  }));
  return planInventory(robotNumber, elements, known, {
    idRules: await readMediaIdRules(db),
    barcodeRules: request.useBarcodeRules ? await readBarcodeRules(db) : [],
    defaults: { mediaType, pool },
  });
}

interface Place {
  readonly robotNumber: number;
  readonly volumeGroup: string;
}

async function applyChange(
  parts: Parts,
  tx: Tx,
  { change: kind, mediaId, barcode, slot, ...settings }: InventoryChange,
  { robotNumber, volumeGroup }: Place,
): Promise<void> {
  if (kind === 'add') {
    const { pool, mediaType, maxMounts, cleanings } = settings;
    return await insertVolume(parts, tx, {
      ...{ mediaId, barcode, slot, robotNumber, volumeGroup, expirationMs: 0 },
      ...{ pool, mediaType, maxMounts, cleanings, description: 'found by an inventory' },
    });
  }
  const place =
    kind === 'remove'
      ? { slot: 0, robot_number: 0, mounted_drive: '', volume_group: '' }
      : { slot, barcode, robot_number: robotNumber, volume_group: volumeGroup };
  await tx
    .updateTable('volumes')
    .set((eb) => ({ ...place, version: eb('version', '+', 1n) }))
    .where('media_id', '=', mediaId)
    .execute();
}
