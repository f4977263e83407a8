// Handlers for volumes and pools, as vmadd, vmdelete, vmquery, vmpool and vmupdate manage them.

import type { Handlers } from '@tapestry/bus';
import type {
  AddPoolRequest,
  AddVolumeRequest,
  InventoryChange,
  InventoryRobotRequest,
  ListVolumesRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { volumeRow } from './adapters/rows.ts';
import { checkDensity, checkedMediaId, checkPool, checkVolume } from './core/checks.ts';
import { planInventory } from './core/robot-inventory.ts';
import { change, exists, missing, type Parts, type Tx } from './parts.ts';

type MediaHandlers = Pick<
  Handlers<'nbemm'>,
  'AddVolume' | 'DeleteVolume' | 'ListVolumes' | 'InventoryRobot' | 'AddPool' | 'ListPools'
>;

const DEFAULT_POOL = 'NetBackup';
const DEFAULT_DENSITY = 'hcart';

export function mediaHandlers(parts: Parts): MediaHandlers {
  return {
    AddVolume: (request) => addVolume(parts, request),
    DeleteVolume: ({ name }) => deleteVolume(parts, name),
    ListVolumes: (request) => listVolumes(parts, request),
    InventoryRobot: (request) => inventoryRobot(parts, request),
    AddPool: (request) => addPool(parts, request),
    ListPools: async ({ name }) => {
      let query = parts.store.db.selectFrom('pools').selectAll().orderBy('number');
      if (name !== '') query = query.where('name', '=', name);
      return { pools: await query.execute() };
    },
  };
}

async function addVolume(parts: Parts, request: AddVolumeRequest) {
  const { volume, description, maxMounts, mediaType } = request;
  if (volume === null) throw new StatusError('requiredValueNotSet', 'no volume is given');
  const mediaId = checkedMediaId(volume.mediaId);
  checkVolume(volume);
  await change(parts, `volume ${mediaId}`, async (tx) => {
    await requirePool(tx, volume.pool || DEFAULT_POOL);
    if (volume.slot > 0) await requireRobot(tx, volume.robotNumber);
    await insertVolume(parts, tx, {
      ...{ mediaId, barcode: volume.barcode, density: volume.density, mediaType, description },
      ...{ robotNumber: volume.robotNumber, slot: volume.slot, maxMounts },
      pool: volume.pool || DEFAULT_POOL,
    });
  });
  return {};
}

interface NewVolume {
  readonly mediaId: string;
  readonly barcode: string;
  readonly density: string;
  readonly mediaType: string;
  readonly robotNumber: number;
  readonly slot: number;
  readonly pool: string;
  readonly description: string;
  readonly maxMounts: number;
}

async function insertVolume(parts: Parts, tx: Tx, volume: NewVolume): Promise<void> {
  const added = await tx
    .insertInto('volumes')
    .values({
      ...{ media_id: volume.mediaId, barcode: volume.barcode, density: volume.density },
      media_type: (volume.mediaType || volume.density).toUpperCase(),
      ...{ robot_number: volume.robotNumber, slot: volume.slot, pool: volume.pool },
      ...{ description: volume.description, max_mounts: volume.maxMounts, owner: '' },
      ...{ assigned_ms: 0, assigned_last_ms: 0, assigned_grant: '', previous_pool: '' },
      ...{ retention_level: 0, append: null, append_block: 0n, append_epoch: 0n, version: 1n },
      ...{ status_bits: 0, mounts: 0, mounted_drive: '', created_ms: parts.nowMs() },
      ...{ first_mount_ms: 0, last_mount_ms: 0, last_written_ms: 0, written_bytes: 0n },
      ...{ images: 0, last_backup_id: '', data_expiration_s: 0n, errors: 0 },
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('media_id')
    .execute();
  if (added.length === 0) throw exists(`volume ${volume.mediaId}`);
}

async function requirePool(tx: Tx, name: string): Promise<void> {
  const found = await tx
    .selectFrom('pools')
    .select('number')
    .where('name', '=', name)
    .executeTakeFirst();
  if (found === undefined) {
    throw new StatusError('poolMissing', `the volume pool ${name} does not exist`);
  }
}

async function requireRobot(tx: Tx, number: number) {
  const robot = await tx
    .selectFrom('robots')
    .selectAll()
    .where('number', '=', number)
    .executeTakeFirst();
  if (robot === undefined) throw new StatusError('robotMissing', `robot ${number} is not known`);
  return robot;
}

async function deleteVolume(parts: Parts, name: string) {
  const mediaId = checkedMediaId(name);
  await change(parts, `volume ${mediaId}`, async (tx) => {
    const row = await tx
      .selectFrom('volumes')
      .select(['assigned_ms', 'images'])
      .where('media_id', '=', mediaId)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) throw missing(`volume ${mediaId}`);
    if (row.assigned_ms !== 0) {
      const why = `volume ${mediaId} is assigned (${row.images} images): expire them first`;
      throw new StatusError('conflict', why, { mediaId });
    }
    await tx.deleteFrom('volumes').where('media_id', '=', mediaId).execute();
  });
  return {};
}

async function listVolumes(parts: Parts, request: ListVolumesRequest) {
  const { db } = parts.store;
  let query = db.selectFrom('volumes').selectAll().orderBy('media_id');
  if (request.mediaId !== '') query = query.where('media_id', '=', request.mediaId.toUpperCase());
  if (request.pool !== '') query = query.where('pool', '=', request.pool);
  if (request.inRobot) {
    query = query.where('robot_number', '=', request.robotNumber).where('slot', '>', 0);
  }
  const [rows, robots] = await Promise.all([
    query.execute(),
    db.selectFrom('robots').select(['number', 'type']).execute(),
  ]);
  const types = new Map(robots.map((robot) => [robot.number, robot.type]));
  return { volumes: rows.map((row) => volumeRow(row, types.get(row.robot_number) ?? '')) };
}

async function addPool(parts: Parts, { name, description, scratch }: AddPoolRequest) {
  checkPool(name);
  await change(parts, `pool ${name}`, async (tx) => {
    // One at a time, so that two additions at once do not choose the same number.
    const pools = await tx.selectFrom('pools').selectAll().orderBy('number').forUpdate().execute();
    if (pools.some((pool) => pool.name === name)) throw exists(`volume pool ${name}`);
    const other = scratch ? pools.find((pool) => pool.scratch) : undefined;
    if (other !== undefined) {
      const why = `${other.name} is the scratch pool already: there is one`;
      throw new StatusError('conflict', why);
    }
    const number = Math.max(...pools.map((pool) => pool.number)) + 1;
    await tx.insertInto('pools').values({ number, name, description, scratch }).execute();
  });
  return {};
}

async function inventoryRobot(parts: Parts, request: InventoryRobotRequest) {
  const { robotNumber, recommendOnly } = request;
  const pool = request.pool || DEFAULT_POOL;
  const { db } = parts.store;
  const robot = await requireRobot(db as Tx, robotNumber);
  await requirePool(db as Tx, pool);
  const drives = await db
    .selectFrom('drives')
    .select(['density'])
    .where('robot_number', '=', robotNumber)
    .orderBy('index')
    .execute();
  const density = request.mediaType.toLowerCase() || drives[0]?.density || DEFAULT_DENSITY;
  checkDensity(density);
  const { elements } = await parts.ltid(robot.control_host).ReadElements({ robotNumber });
  const rows = await db
    .selectFrom('volumes')
    .select(['media_id', 'barcode', 'robot_number', 'slot'])
    .execute();
  const known = rows.map((row) => ({
    ...{ mediaId: row.media_id, barcode: row.barcode },
    ...{ robotNumber: row.robot_number, slot: row.slot },
  }));
  const { changes, unusable } = planInventory(robotNumber, elements, known);
  if (unusable.length > 0) parts.log.warn({ robotNumber, unusable }, 'some media have no use');
  if (recommendOnly || changes.length === 0) return { changes, applied: !recommendOnly };
  const rules = { robotNumber, pool, density, mediaType: request.mediaType };
  await change(parts, `robot ${robotNumber}`, async (tx) => {
    for (const each of changes) await applyChange(parts, tx, each, rules);
  });
  return { changes, applied: true };
}

interface InventoryRules {
  readonly robotNumber: number;
  readonly pool: string;
  readonly density: string;
  readonly mediaType: string;
}

async function applyChange(
  parts: Parts,
  tx: Tx,
  { change: kind, mediaId, barcode, slot }: InventoryChange,
  rules: InventoryRules,
): Promise<void> {
  if (kind === 'add') {
    const fresh = { mediaId, barcode, slot, description: 'found by an inventory', maxMounts: 0 };
    return await insertVolume(parts, tx, { ...fresh, ...rules });
  }
  const place =
    kind === 'remove'
      ? { slot: 0, robot_number: 0, mounted_drive: '' }
      : { slot, barcode, robot_number: rules.robotNumber };
  await tx
    .updateTable('volumes')
    .set((eb) => ({ ...place, version: eb('version', '+', 1n) }))
    .where('media_id', '=', mediaId)
    .execute();
}
