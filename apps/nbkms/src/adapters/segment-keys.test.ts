import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Derivation, derivationSalt, keyFromPassphrase } from './key-derivation.ts';
import { proofOf } from './record-sealing.ts';
import { fingerprintOf } from './sealing.ts';
import { segmentKeysOf } from './segment-keys.ts';

const ascending = (first: number) => Buffer.from(Array.from({ length: 32 }, (_, at) => first + at));

test('the segment key and commitment of the published vector', () => {
  const groupKey = ascending(0);
  const headerHash = createHash('sha256').update('test header').digest();
  const { segmentKey, commitment } = segmentKeysOf(groupKey, ascending(0xa0), headerHash);
  expect(proofOf(groupKey)).toBe(
    'eeb8ece228b3a029681374d54ec674b8d6f3f890795412b02e96291c36596a83',
  );
  expect(segmentKey.toString('hex')).toBe(
    'eb80be6fe54104a6a094407e47e554208bf079acead4fd85e481dcd524574a0c',
  );
  expect(commitment.toString('hex')).toBe(
    'a35e148c9d705d31af80a519cbfab51318bb1ba582c7d7ca9103291f5d51e0c0',
  );
});

test('another salt or header makes another key and another commitment', () => {
  const seen = new Set<string>();
  for (const salt of [ascending(0xa0), ascending(0xa1)]) {
    for (const header of [ascending(0), ascending(1)]) {
      const { segmentKey, commitment } = segmentKeysOf(ascending(9), salt, header);
      seen.add(segmentKey.toString('hex')).add(commitment.toString('hex'));
    }
  }
  expect(seen.size).toBe(8);
});

test.each([
  ['hmk', 'HMK-2026-01', 'b2f1480ad96fa0d32c8d5c8d35dd5b774492a3c38f1cd6bb684bca8125f76cbb'],
  ['kpk', 'KPK-2026-01', '8bcb5baa7e94c1949c0bac78974496e7b975cbc658e467abc4bfed5dbbe9c6fd'],
  ['data', 'gold-2026q4', '6b47d9445fb10823f26a7e61b4a49ae38a5394b549442551ba11a03cce2929cb'],
] as const)('the salt of %s %s is that of the published vector', (purpose, label, salt) => {
  const derivation = { purpose, label, siteSalt: ascending(0) };
  expect(derivationSalt(derivation).toString('hex')).toBe(salt);
});

test('the same passphrase, purpose, label and salt make the same key; any other makes another', async () => {
  const policy = { profile: 0, allowed: [0] };
  const base: Derivation = {
    passphrase: 'correct horse battery staple!',
    purpose: 'data',
    label: 'gold',
    siteSalt: ascending(0),
    profile: 0,
  };
  const make = async (change: Partial<Derivation>) =>
    fingerprintOf(await keyFromPassphrase({ ...base, ...change }, policy)).toString('hex');
  expect(await make({})).toBe(await make({}));
  const others = await Promise.all([
    ...[make({}), make({ passphrase: 'Correct horse battery staple!' }), make({ purpose: 'hmk' })],
    ...[make({ label: 'silver' }), make({ siteSalt: Buffer.alloc(32) })],
  ]);
  expect(new Set(others).size).toBe(5);
});
