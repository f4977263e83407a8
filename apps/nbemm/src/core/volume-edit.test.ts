import type { VolumeChange } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { newStatusBits, residenceGroup, volumeEdit } from './volume-edit.ts';

const CHANGE: VolumeChange = {
  ...{ pool: 'Data', barcode: 'A1', description: 'd', maxMounts: 3, cleanings: 4 },
  ...{ expirationMs: 5n, volumeGroup: 'g', robotNumber: 2, slot: 7, owner: 'media2' },
  ...{ mediaType: 'hcart2', offsite: null },
};
const STATE = { mediaId: 'A00001', assigned: false, mountedDrive: '', mediaType: 'HCART' };
const edit = (...set: string[]) => volumeEdit(CHANGE, set);

test('only what is named changes', () => {
  expect(edit('maxMounts').columns).toEqual({ max_mounts: 3 });
  expect(edit('slot').columns).toEqual({ slot: 7, robot_number: 2 });
  expect(edit('mediaType').columns).toEqual({ media_type: 'HCART2', density: 'hcart2' });
  expect(volumeEdit({ ...CHANGE, slot: 0 }, ['slot']).columns).toEqual({
    ...{ slot: 0, robot_number: 0, mounted_drive: '' },
  });
  expect(() => edit()).toThrow(/152/);
  expect(() => edit('assignedMs')).toThrow(/223/);
});

test('what an assigned, mounted or cleaning volume may not change', () => {
  const assigned = { ...STATE, assigned: true };
  const cleaning = { ...STATE, mediaType: 'HCART_CLN' };
  expect(() => edit('pool').check(assigned)).toThrow(/224 .*pool/);
  expect(() => edit('mediaType').check(assigned)).toThrow(/224/);
  expect(() => edit('slot').check({ ...STATE, mountedDrive: 'd0' })).toThrow(/224 .*d0/);
  expect(() => edit('pool').check(cleaning)).toThrow(/224/);
  expect(() => edit('maxMounts').check(cleaning)).toThrow(/2018/);
  expect(() => edit('cleanings').check(STATE)).toThrow(/2018/);
  expect(() => edit('owner').check(STATE)).toThrow(/2014/);
  edit('owner', 'description', 'expirationMs', 'maxMounts').check(assigned);
});

test('bpmedia sets and clears one bit and leaves the others', () => {
  expect(newStatusBits(8, 'freeze', true)).toBe(9);
  expect(newStatusBits(9, 'unfreeze', true)).toBe(8);
  expect(newStatusBits(8, 'suspend', true)).toBe(10);
  expect(newStatusBits(10, 'unsuspend', false)).toBe(8);
  expect(newStatusBits(9, 'unfull', true)).toBe(1);
  expect(() => newStatusBits(0, 'suspend', false)).toThrow(/2014/);
  expect(() => newStatusBits(0, 'melt', true)).toThrow(/223/);
});

test('the group of a robot is spelled as NetBackup spells it', () => {
  expect(residenceGroup({ number: 3, type: 'tld' })).toBe('000_00003_TLD');
  expect(residenceGroup(undefined)).toBe('');
});
