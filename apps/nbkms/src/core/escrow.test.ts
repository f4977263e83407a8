import { expect, test } from 'vitest';
import { type IncomingKey, importKeys, selectGroups } from './escrow.ts';
import { createGroup } from './group-changes.ts';
import { brokenRules } from './invariants.ts';
import { addKey } from './key-changes.ts';
import { emptyDocument, type KeyStoreDocument } from './key-store.ts';

const LIMITS = { groupsMax: 5, keysPerGroupMax: 5 };
const hex = (number: number) => number.toString(16).padStart(64, '0');
const NOW = 1_000;

function store(keys: readonly (readonly [name: string, number: number])[]): KeyStoreDocument {
  const group = { name: 'ENCR_a', cipher: '', description: 'old', tag: hex(900) };
  let { document } = createGroup(emptyDocument(1), group, LIMITS, 1);
  for (const [name, number] of keys) {
    const material = {
      ...{ tag: hex(number), proof: hex(number), wrapped: 'w', origin: 'random' as const },
      ...{ derivationName: '', profile: 0, unverified: false },
    };
    const request = { group: 'ENCR_a', name, description: '', state: 'active', material } as const;
    ({ document } = addKey(document, request, LIMITS, 2));
  }
  return document;
}

const options = { suffix: '_20260102030405', description: '', tagFor: () => hex(901) };
const source = store([
  ['k1', 1],
  ['k2', 2],
]);
const incoming = selectGroups(source, ['ENCR_a']);

test('into another store: a name with the time, no active key, the same tags', () => {
  const { document, groups } = importKeys(emptyDocument(1), incoming, options, LIMITS, NOW);
  expect(groups).toEqual([
    { name: 'ENCR_a', importedAs: 'ENCR_a_20260102030405', imported: 2, skipped: [] },
  ]);
  expect(document.keys.map(({ tag, state, origin }) => [tag, state, origin])).toEqual([
    [hex(1), 'inactive', 'imported'],
    [hex(2), 'inactive', 'imported'],
  ]);
  expect(brokenRules(document)).toEqual([]);
});

test('a second time everything is skipped, and no empty group is left', () => {
  const { document, groups } = importKeys(source, incoming, options, LIMITS, NOW);
  expect(document).toBe(source);
  expect(groups[0]).toMatchObject({ importedAs: '', imported: 0, skipped: [{ tag: hex(1) }, {}] });
});

test('names that are kept must be free; a tag that stands for two keys stops everything', () => {
  const other = store([['k9', 9]]);
  const keep = { ...options, suffix: '' };
  expect(() => importKeys(other, incoming, keep, LIMITS, NOW)).toThrow(/1282/);
  const forged: IncomingKey = { ...incoming.keys[0]!, proof: hex(77) };
  expect(() => importKeys(source, { ...incoming, keys: [forged] }, options, LIMITS, NOW)).toThrow(
    /1283/,
  );
  const twin: IncomingKey = { ...incoming.keys[0]!, tag: hex(78) };
  const skipped = importKeys(source, { ...incoming, keys: [twin] }, options, LIMITS, NOW);
  expect(skipped.groups[0]!.skipped[0]!.reason).toContain('another tag');
});

test('limits hold, and an unknown group is told', () => {
  const tight = { groupsMax: 5, keysPerGroupMax: 1 };
  expect(() => importKeys(emptyDocument(1), incoming, options, tight, NOW)).toThrow(/1225/);
  const none = { ...LIMITS, groupsMax: 0 };
  expect(() => importKeys(emptyDocument(1), incoming, options, none, NOW)).toThrow(/1214/);
  expect(() => selectGroups(source, ['ENCR_b'])).toThrow(/1210/);
  expect(selectGroups(source, []).keys).toHaveLength(2);
});
