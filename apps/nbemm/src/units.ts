// Handlers for storage units and their groups, as bpstuadd, bpsturep, bpstudel and bpstulist manage them. Which member
// of a group a backup takes is MDS's choice; here stands only what the administrator asked for.

import type { Handlers } from '@tapestry/bus';
import type { StorageUnit, UpdateStorageUnitRequest } from '@tapestry/contracts';
import { storageUnit } from './adapters/rows.ts';
import type { StorageUnitsTable } from './adapters/schema.ts';
import { checkSet } from './core/record-edit.ts';
import { checkUnit, unitKind, withDefaults } from './core/unit-checks.ts';
import { edit, exists, inUse, missing, type Parts, required, type Tx } from './parts.ts';
import { namesResidence, requireIdleUnit, requireUnnamed } from './record-uses.ts';
import { requireNdmpHost, requireRobot, requireServer } from './required-records.ts';
import { groupHandlers } from './unit-groups.ts';

type UnitHandlers = Pick<
  Handlers<'nbemm'>,
  'AddStorageUnit' | 'UpdateStorageUnit' | 'DeleteStorageUnit' | 'ListStorageUnits'
> &
  ReturnType<typeof groupHandlers>;

export function unitHandlers(parts: Parts): UnitHandlers {
  return {
    ...groupHandlers(parts),
    AddStorageUnit: (request) => addStorageUnit(parts, request.unit),
    UpdateStorageUnit: (request) => updateStorageUnit(parts, request),
    DeleteStorageUnit: (request) => deleteStorageUnit(parts, request.name),
    ListStorageUnits: async ({ name }) => {
      let query = parts.store.db.selectFrom('storage_units').selectAll().orderBy('label');
      if (name !== '') query = query.where('label', '=', name);
      const units = (await query.execute()).map(storageUnit);
      const known = parts.inventory.disks;
      const disks = units.flatMap(({ label }) => {
        const { atMs, ...disk } = known.get(label) ?? {};
        return atMs === undefined ? [] : [{ storageUnit: label, ...disk, atMs: BigInt(atMs) }];
      });
      return { units, disks };
    },
  };
}

async function addStorageUnit(parts: Parts, given: StorageUnit | null) {
  if (given === null) throw required('the storage unit');
  const unit = withDefaults(given);
  checkUnit(unit);
  await edit(parts, `storage unit ${unit.label}`, async (tx) => {
    const row = await unitRow(tx, unit);
    const group = await tx
      .selectFrom('storage_unit_groups')
      .select('name')
      .where('name', '=', unit.label)
      .executeTakeFirst();
    if (group !== undefined) throw exists(`a storage unit group ${unit.label}`);
    const added = await tx
      .insertInto('storage_units')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .returning('label')
      .execute();
    if (added.length === 0) throw exists(`storage unit ${unit.label}`);
  });
  return {};
}

/** The row of a unit whose media server, robot and NDMP host exist. Errors: 2101, 2059, 2108. */
async function unitRow(tx: Tx, unit: StorageUnit): Promise<StorageUnitsTable> {
  await requireServer(tx, unit.mediaServer);
  const onTape = unitKind(unit) !== 'Disk';
  const robot = onTape ? await requireRobot(tx, unit.robotNumber) : undefined;
  if (unit.ndmpHost !== '') await requireNdmpHost(tx, unit.ndmpHost);
  return {
    ...{ label: unit.label, type: unitKind(unit), media_server: unit.mediaServer },
    ...{ density: unit.density, robot_number: unit.robotNumber, robot_type: robot?.type ?? '' },
    ...{ max_drives: unit.maxDrives, max_fragment_mb: unit.maxFragmentMb },
    ...{ on_demand_only: unit.onDemandOnly, ndmp_host: unit.ndmpHost, max_mpx: unit.maxMpx },
    ...{ path: unit.path, disk_type: unit.diskType },
    ...{ high_water_mark: unit.highWaterMark, low_water_mark: unit.lowWaterMark },
  };
}

const CHANGEABLE = [
  ...['mediaServer', 'density', 'robotNumber', 'maxDrives', 'maxFragmentMb', 'onDemandOnly'],
  ...['ndmpHost', 'maxMpx', 'path', 'highWaterMark', 'lowWaterMark'],
] as const satisfies readonly (keyof StorageUnit)[] as readonly (keyof StorageUnit)[];

async function updateStorageUnit(parts: Parts, { unit, set }: UpdateStorageUnitRequest) {
  if (unit === null) throw required('the storage unit');
  const sets = checkSet(set, CHANGEABLE);
  await edit(parts, `storage unit ${unit.label}`, async (tx) => {
    const old = storageUnit(await lockUnit(tx, unit.label));
    const changes = Object.entries(unit).filter(([name]) => sets.has(name as keyof StorageUnit));
    const changed = withDefaults({ ...old, ...Object.fromEntries(changes) } as StorageUnit);
    checkUnit(changed);
    await tx
      .updateTable('storage_units')
      .set(await unitRow(tx, changed))
      .where('label', '=', unit.label)
      .execute();
  });
  return {};
}

async function lockUnit(tx: Tx, label: string) {
  const row = await tx
    .selectFrom('storage_units')
    .selectAll()
    .where('label', '=', label)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw missing(`storage unit ${label}`);
  return row;
}

async function deleteStorageUnit(parts: Parts, label: string) {
  await requireUnnamed(parts, `storage unit ${label}`, namesResidence(label));
  await requireIdleUnit(parts, label);
  await edit(parts, `storage unit ${label}`, async (tx) => {
    await lockUnit(tx, label);
    const member = await tx
      .selectFrom('storage_unit_group_members')
      .select('group_name')
      .where('unit', '=', label)
      .executeTakeFirst();
    if (member !== undefined) {
      throw inUse(`storage unit ${label} is in the group ${member.group_name}`);
    }
    await tx.deleteFrom('storage_units').where('label', '=', label).execute();
  });
  return {};
}
