import fc from 'fast-check';
import { expect, test } from 'vitest';
import { basesOf, keepsImage, keepsVolume } from './expiry.ts';

const none = new Set<string>();

test('an expired image goes unless somebody still needs it', () => {
  const uses = { read: new Set(['r']), planned: new Set(['p']), bases: new Set(['b']), nowS: 10n };
  const why = (backupId: string, expirationS: bigint) =>
    keepsImage({ backupId, expirationS }, uses);
  expect(why('x', 10n)).toBeUndefined();
  expect(why('x', 11n)).toMatch(/not expired/);
  expect(why('r', 1n)).toMatch(/restore/);
  expect(why('p', 1n)).toMatch(/restore/);
  expect(why('b', 1n)).toMatch(/builds on it/);
});

test('a chain of incrementals is kept to its full one', () => {
  const links = new Map([
    ['i2', 'i1'],
    ['i1', 'full'],
    ['full', ''],
    ['other', 'full'],
  ]);
  expect([...basesOf(['i2'], links)].sort()).toEqual(['full', 'i1', 'i2']);
  expect([...basesOf(['gone'], links)]).toEqual(['gone']);
  expect([...basesOf(['a'], new Map([['a', 'a']]))]).toEqual(['a']);
});

test('a volume goes back only when the catalog saw the end of all that is on it', () => {
  const facts = { used: none, images: new Set(['live']), gone: new Set(['old', 'dead']) };
  const volume = (...backupIds: string[]) => ({ mediaId: 'A00001', assigned: true, backupIds });
  expect(keepsVolume(volume(), facts, false)).toBeUndefined();
  expect(keepsVolume(volume('old', 'dead'), facts, false)).toBeUndefined();
  expect(keepsVolume(volume('old', 'stranger'), facts, false)).toMatch(/stranger/);
  expect(keepsVolume(volume('old', 'stranger'), facts, true)).toBeUndefined();
  expect(keepsVolume(volume('live'), facts, true)).toMatch(/not finished/);
  const used = { ...facts, used: new Set(['A00001']) };
  expect(keepsVolume(volume('old'), used, true)).toMatch(/has images/);
  expect(keepsVolume({ ...volume(), assigned: false }, facts, true)).toMatch(/not assigned/);
});

test('no volume with an image of the catalog ever goes back', () => {
  const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'));
  fc.assert(
    fc.property(ids, ids, ids, fc.boolean(), (backupIds, images, gone, vouched) => {
      const volume = { mediaId: 'A00001', assigned: true, backupIds };
      const facts = { used: none, images: new Set(images), gone: new Set(gone) };
      const free = keepsVolume(volume, facts, vouched) === undefined;
      if (free) {
        expect(backupIds.some((id) => images.includes(id))).toBe(false);
        expect(vouched || backupIds.every((id) => gone.includes(id))).toBe(true);
      }
    }),
  );
});
