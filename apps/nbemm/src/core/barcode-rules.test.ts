import type { BarcodeRule } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { checkedRule, inOrder, settingsFor } from './barcode-rules.ts';

const rule = (tag: string, more: Partial<BarcodeRule> = {}): BarcodeRule => ({
  ...{ tag, mediaType: 'HCART2', pool: 'Data', maxMounts: 0, description: '', ...more },
});
const DEFAULTS = { mediaType: 'HCART', pool: 'NetBackup' };

test('long tags are tried first, equally long ones by age, the special ones last', () => {
  const added = ['<DEFAULT>', 'TL', '<NONE>', '0080', 'TL8', 'CLD'].map((tag) => rule(tag));
  const tags = inOrder(added).map(({ tag }) => tag);
  expect(tags).toEqual(['0080', 'TL8', 'CLD', 'TL', '<NONE>', '<DEFAULT>']);
});

test('the first rule that fits decides type, pool and mounts', () => {
  const rules = inOrder([rule('TL', { pool: 'None' }), rule('TL8', { maxMounts: 55 })]);
  expect(settingsFor('tl800001', rules, DEFAULTS)).toEqual({
    ...{ mediaType: 'HCART2', pool: 'Data', maxMounts: 55, cleanings: 0, rule: 'TL8' },
  });
  expect(settingsFor('TL000001', rules, DEFAULTS)).toMatchObject({ pool: 'None', rule: 'TL' });
  expect(settingsFor('X', rules, DEFAULTS)).toMatchObject({ ...DEFAULTS, rule: '' });
});

test('DEFAULT in a rule is what the inventory was told; the special tags take what is left', () => {
  const rules = inOrder([
    rule('<DEFAULT>', { mediaType: 'DEFAULT', pool: 'DEFAULT', maxMounts: 9 }),
    rule('<NONE>', { pool: 'None' }),
  ]);
  expect(settingsFor('A1', rules, DEFAULTS)).toMatchObject({ ...DEFAULTS, maxMounts: 9 });
  expect(settingsFor('', rules, DEFAULTS)).toMatchObject({ pool: 'None', rule: '<NONE>' });
});

test('a cleaning cartridge counts cleanings and is in no pool', () => {
  const rules = [rule('CLN', { mediaType: 'HCART_CLN', maxMounts: 30 })];
  expect(settingsFor('CLN001', rules, DEFAULTS)).toMatchObject({
    ...{ pool: 'None', maxMounts: 0, cleanings: 30 },
  });
});

test('a rule is checked, and its tag is in capitals', () => {
  expect(checkedRule(rule('cln')).tag).toBe('CLN');
  expect(checkedRule(rule('A', { mediaType: '', pool: '' }))).toMatchObject({
    ...{ mediaType: 'DEFAULT', pool: 'DEFAULT' },
  });
  expect(() => checkedRule(rule(''))).toThrow(/152/);
  expect(() => checkedRule(rule('A B'))).toThrow(/223/);
  expect(() => checkedRule(rule('A', { mediaType: 'PAPER' }))).toThrow(/223/);
});
