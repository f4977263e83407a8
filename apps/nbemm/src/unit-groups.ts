// Handlers for storage unit groups: named lists of units, in order, with how one of them is to be chosen.

import type { Handlers } from '@tapestry/bus';
import type { SetStorageUnitGroupRequest, StorageUnitGroup } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkName } from './core/checks.ts';
import { checkSet } from './core/record-edit.ts';
import { checkMembers, checkSelection, editMembers } from './core/unit-checks.ts';
import { edit, exists, missing, type Parts, required, type Tx } from './parts.ts';
import { namesResidence, requireUnnamed } from './record-uses.ts';

type GroupHandlers = Pick<
  Handlers<'nbemm'>,
  'SetStorageUnitGroup' | 'DeleteStorageUnitGroup' | 'ListStorageUnitGroups'
>;

export function groupHandlers(parts: Parts): GroupHandlers {
  return {
    SetStorageUnitGroup: (request) => setGroup(parts, request),
    DeleteStorageUnitGroup: ({ name }) => deleteGroup(parts, name),
    ListStorageUnitGroups: async ({ name }) => ({ groups: await listGroups(parts, name) }),
  };
}

async function listGroups({ store }: Parts, name: string): Promise<StorageUnitGroup[]> {
  const [groups, members] = await Promise.all([
    store.db.selectFrom('storage_unit_groups').selectAll().orderBy('name').execute(),
    store.db.selectFrom('storage_unit_group_members').selectAll().orderBy('ordinal').execute(),
  ]);
  return groups
    .filter((group) => name === '' || group.name === name)
    .map((group) => ({
      ...group,
      units: members.filter((each) => each.group_name === group.name).map(({ unit }) => unit),
    }));
}

async function setGroup(parts: Parts, { group, update, set }: SetStorageUnitGroupRequest) {
  if (group === null) throw required('the storage unit group');
  const { name } = group;
  checkName('the storage unit group', name, 50);
  await edit(parts, `storage unit group ${name}`, async (tx) => {
    const old = await tx
      .selectFrom('storage_unit_groups')
      .selectAll()
      .where('name', '=', name)
      .forUpdate()
      .executeTakeFirst();
    if (update && old === undefined) throw missing(`storage unit group ${name}`);
    if (!update && old !== undefined) throw exists(`storage unit group ${name}`);
    if (!update) await requireNoUnit(tx, name);
    const members = await tx
      .selectFrom('storage_unit_group_members')
      .select('unit')
      .where('group_name', '=', name)
      .orderBy('ordinal')
      .execute();
    const sets = update
      ? checkSet(set, ['selection', 'units', 'addUnits', 'deleteUnits'])
      : new Set(['selection', 'units'] as const);
    const selection = sets.has('selection')
      ? group.selection || 'prioritized'
      : (old?.selection ?? '');
    const units = editMembers(
      members.map(({ unit }) => unit),
      group.units,
      sets,
    );
    checkSelection(selection);
    checkMembers(units);
    await saveGroup(tx, { name, selection, units });
  });
  return {};
}

/** A policy names either by the same word. */
async function requireNoUnit(tx: Tx, name: string): Promise<void> {
  const unit = await tx
    .selectFrom('storage_units')
    .select('label')
    .where('label', '=', name)
    .executeTakeFirst();
  if (unit !== undefined) throw exists(`a storage unit ${name}`);
}

async function saveGroup(tx: Tx, { name, selection, units }: StorageUnitGroup): Promise<void> {
  await tx
    .insertInto('storage_unit_groups')
    .values({ name, selection })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ selection }))
    .execute();
  await tx.deleteFrom('storage_unit_group_members').where('group_name', '=', name).execute();
  const known = await tx
    .selectFrom('storage_units')
    .select('label')
    .where('label', 'in', units)
    .forShare()
    .execute();
  const unknown = units.find((unit) => !known.some(({ label }) => label === unit));
  if (unknown !== undefined) {
    throw new StatusError('storageUnitMissing', `the storage unit ${unknown} does not exist`);
  }
  await tx
    .insertInto('storage_unit_group_members')
    .values(units.map((unit, i) => ({ group_name: name, unit, ordinal: i + 1 })))
    .execute();
}

async function deleteGroup(parts: Parts, name: string) {
  await requireUnnamed(parts, `storage unit group ${name}`, namesResidence(name));
  await edit(parts, `storage unit group ${name}`, async (tx) => {
    const gone = await tx
      .deleteFrom('storage_unit_groups')
      .where('name', '=', name)
      .returning('name')
      .execute();
    if (gone.length === 0) throw missing(`storage unit group ${name}`);
  });
  return {};
}
