import type { StorageUnit } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { checkMembers, checkUnit, editMembers, unitKind, withDefaults } from './unit-checks.ts';

const unit = (more: Partial<StorageUnit> = {}): StorageUnit => ({
  ...{ label: 'u1', type: '', mediaServer: 'media1', density: 'hcart', robotNumber: 0 },
  ...{ robotType: '', maxDrives: 0, maxFragmentMb: 0n, onDemandOnly: false, ndmpHost: '' },
  ...{ maxMpx: 0, path: '', highWaterMark: 0, lowWaterMark: 0, diskType: '' },
  ...more,
});
const disk = (more: Partial<StorageUnit> = {}): StorageUnit =>
  unit({ density: '', path: '/srv/disk', ...more });

test('a unit is of the kind that its fields make it', () => {
  expect([unit(), unit({ ndmpHost: 'f' }), disk()].map(unitKind)).toEqual([
    ...['Media Manager', 'NDMP', 'Disk'],
  ]);
  expect(() => unitKind(unit({ type: 'Cloud' }))).toThrow(/223/);
});

test('defaults are NetBackup’s', () => {
  expect(withDefaults(unit())).toMatchObject({ maxDrives: 1, maxFragmentMb: 1_048_575n });
  expect(withDefaults(disk())).toMatchObject({
    ...{ maxFragmentMb: 524_288n, highWaterMark: 98, lowWaterMark: 80, diskType: 'BasicDisk' },
  });
  for (const each of [unit(), unit({ ndmpHost: 'f' }), disk()]) checkUnit(withDefaults(each));
});

test.each<[number, StorageUnit]>([
  [152, unit({ label: '' })],
  [223, unit({ density: 'paper' })],
  [223, unit({ path: '/srv', type: 'Media Manager' })],
  [152, unit({ type: 'NDMP' })],
  [223, unit({ type: 'Media Manager', ndmpHost: 'f' })],
  [223, unit({ maxFragmentMb: 49n })],
  [223, unit({ maxFragmentMb: 2_000_000n })],
  [223, unit({ maxMpx: 33 })],
  [223, unit({ type: 'NDMP', ndmpHost: 'f', maxMpx: 2 })],
  [223, disk({ maxMpx: 2 })],
  [223, disk({ path: 'srv' })],
  [16, disk({ diskType: 'PureDisk' })],
  [223, disk({ density: 'hcart' })],
  [223, disk({ highWaterMark: 50, lowWaterMark: 60 })],
])('%i', (code, each) => {
  expect(() => checkUnit(withDefaults(each))).toThrow(new RegExp(`^${code} `));
});

test('members are replaced, added behind, or taken out', () => {
  const edit = (given: string[], set: string) => editMembers(['a', 'b'], given, new Set([set]));
  expect(edit(['c'], 'units')).toEqual(['c']);
  expect(edit(['c'], 'addUnits')).toEqual(['a', 'b', 'c']);
  expect(edit(['a'], 'deleteUnits')).toEqual(['b']);
  expect(edit(['c'], 'selection')).toEqual(['a', 'b']);
  expect(() => edit(['a'], 'addUnits')).toThrow(/226/);
  expect(() => edit(['c'], 'deleteUnits')).toThrow(/227/);
  expect(() => checkMembers([])).toThrow(/152/);
  expect(() => checkMembers(['a', 'a'])).toThrow(/twice/);
});
