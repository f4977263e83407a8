// Which storage units a policy's word means: one unit, a group, or any that is not on demand only.

import type { MdsSelection, StorageUnit } from '@tapestry/contracts';
import type { Inventory, UnitGroup } from './inventory.ts';
import { Refusal } from './refusal.ts';
import { compareText } from './volume-index.ts';

export interface Units {
  readonly units: readonly StorageUnit[];
  readonly selection: MdsSelection;
  /** Only the first that is up counts, however busy it is: a failover group. */
  readonly firstOnly: boolean;
}

export function unitsFor(inventory: Inventory, name: string): Units {
  if (name === '') return inOrder(anyUnits(inventory));
  const unit = inventory.units.find((each) => each.label === name);
  if (unit !== undefined) return inOrder([unit]);
  const group = inventory.groups.find((each) => each.name === name);
  if (group === undefined) {
    throw new Refusal('storageUnitMissing', `the storage unit ${name} does not exist`);
  }
  return unitsOfGroup(inventory, group);
}

function inOrder(units: readonly StorageUnit[]): Units {
  return { units, selection: 'MDS_SELECTION_IN_ORDER', firstOnly: false };
}

function anyUnits({ units }: Inventory): StorageUnit[] {
  if (units.length === 0) {
    throw new Refusal('storageUnitMissing', 'no storage unit is configured');
  }
  const free = units.filter((unit) => !unit.onDemandOnly);
  if (free.length === 0) {
    const why = 'every storage unit is on demand only: name one in the policy';
    throw new Refusal('storageUnitMissing', why);
  }
  return free.sort((a, b) => compareText(a.label, b.label));
}

const SELECTION: Readonly<Record<string, MdsSelection>> = {
  round_robin: 'MDS_SELECTION_ROUND_ROBIN',
  load_balance: 'MDS_SELECTION_LOAD_BALANCE',
};

function unitsOfGroup(inventory: Inventory, group: UnitGroup): Units {
  const units = group.units.flatMap(
    (label) => inventory.units.find((u) => u.label === label) ?? [],
  );
  if (units.length === 0) {
    throw new Refusal('storageUnitMissing', `the storage unit group ${group.name} has no units`);
  }
  return {
    units,
    selection: SELECTION[group.selection] ?? 'MDS_SELECTION_IN_ORDER',
    firstOnly: group.selection === 'failover',
  };
}
