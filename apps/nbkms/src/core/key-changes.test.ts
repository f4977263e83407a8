import { StatusError } from '@tapestry/status';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createGroup, deleteGroup, modifyGroup } from './group-changes.ts';
import { brokenRules } from './invariants.ts';
import { addKey, deleteKey, type KeyEdit, type Material, modifyKey } from './key-changes.ts';
import {
  emptyDocument,
  isDocument,
  KEY_STATES,
  type KeyState,
  type KeyStoreDocument,
  keyNamed,
  summarize,
} from './key-store.ts';

const LIMITS = { groupsMax: 20, keysPerGroupMax: 6 };
const hex = (number: number) => number.toString(16).padStart(64, '0');

function material(number: number): Material {
  return {
    ...{ tag: hex(number), proof: hex(number), wrapped: 'sealed', origin: 'random' as const },
    ...{ derivationName: '', profile: 0, unverified: false },
  };
}

function withGroups(...names: string[]): KeyStoreDocument {
  return names.reduce(
    (document, name, at) =>
      createGroup(document, { name, cipher: '', description: '', tag: hex(at) }, LIMITS, 1)
        .document,
    emptyDocument(1),
  );
}

type Place = { group?: string; state?: 'prelive' | 'active' | 'inactive' };
function add(document: KeyStoreDocument, name: string, number: number, place: Place = {}) {
  const { group = 'ENCR_a', state = 'prelive' } = place;
  const request = { group, name, description: '', state, material: material(number) };
  return addKey(document, request, LIMITS, 10);
}

const edit = (change: Partial<KeyEdit>): KeyEdit => ({
  ...{ group: 'ENCR_a', name: 'k1', state: undefined, newName: undefined },
  ...{ description: undefined, moveTo: undefined, ...change },
});

const status = (act: () => unknown): string => {
  try {
    act();
    return 'ok';
  } catch (error) {
    if (error instanceof StatusError) return error.status;
    throw error;
  }
};

/** A store with `k1` in this state, on the way that leads there. */
function withKeyIn(state: KeyState): KeyStoreDocument {
  const way: KeyState[] = ['active', 'inactive', 'deprecated', 'terminated'];
  let { document } = add(withGroups('ENCR_a', 'ENCR_b'), 'k1', 1);
  for (const next of way.slice(0, way.indexOf(state) + 1)) {
    ({ document } = modifyKey(document, edit({ state: next }), LIMITS, 20));
  }
  return document;
}

test('exactly the allowed steps of the life cycle are taken', () => {
  const allowed = new Set([
    ...['prelive active', 'active inactive', 'inactive active', 'inactive deprecated'],
    ...['deprecated inactive', 'deprecated terminated', 'terminated deprecated'],
  ]);
  for (const from of KEY_STATES) {
    const document = withKeyIn(from);
    for (const to of KEY_STATES) {
      const step = () => modifyKey(document, edit({ state: to }), LIMITS, 30);
      if (from === to) expect(step().document).toBe(document);
      else if (allowed.has(`${from} ${to}`)) expect(step().key.state).toBe(to);
      else expect([from, to, status(step)]).toEqual([from, to, 'keyStateTransition']);
    }
    const remove = () =>
      deleteKey(document, { group: 'ENCR_a', name: 'k1', by: 'root', inUse: 0, force: false }, 40);
    const expected = from === 'prelive' || from === 'terminated' ? 'ok' : 'keyDeleteState';
    expect([from, status(remove)]).toEqual([from, expected]);
  }
});

test('an activated key makes the former one inactive, in the same step', () => {
  const first = add(withGroups('ENCR_a'), 'k1', 1, { state: 'active' });
  const second = add(first.document, 'k2', 2, { state: 'active' });
  expect(second.demoted).toMatchObject({ name: 'k1', state: 'inactive' });
  const back = modifyKey(second.document, edit({ state: 'active' }), LIMITS, 9);
  expect(back.demoted).toMatchObject({ name: 'k2', state: 'inactive' });
  // The clock went back, the record's time did not.
  expect(back.key.modifiedMs).toBeGreaterThan(second.demoted!.modifiedMs);
  expect(summarize(back.document)).toMatchObject([{ keys: 2, activeTag: hex(1) }]);
  expect(isDocument(back.document)).toBe(true);
});

test('an active key that moves to a group with one arrives inactive', () => {
  let { document } = add(withGroups('ENCR_a', 'ENCR_b'), 'k1', 1, { state: 'active' });
  const alone = modifyKey(document, edit({ moveTo: 'ENCR_b' }), LIMITS, 20);
  expect(alone.key.state).toBe('active');
  ({ document } = add(document, 'k2', 2, { group: 'ENCR_b', state: 'active' }));
  expect(modifyKey(document, edit({ moveTo: 'ENCR_b' }), LIMITS, 20).key.state).toBe('inactive');
});

test('each refusal has its status, and nothing changed', () => {
  const { document } = add(add(withGroups('ENCR_a', 'ENCR_b'), 'k1', 1).document, 'k2', 2);
  const request = { cipher: '', description: '', tag: hex(99) };
  const refusals: [string, () => unknown][] = [
    ['keyGroupExists', () => createGroup(document, { ...request, name: 'ENCR_a' }, LIMITS, 2)],
    ['keyGroupNameInvalid', () => createGroup(document, { ...request, name: 'a b' }, LIMITS, 2)],
    [
      'keyCipherUnsupported',
      () => createGroup(document, { ...request, name: 'c', cipher: 'BLOWFISH' }, LIMITS, 2),
    ],
    [
      'keyGroupLimit',
      () => createGroup(document, { ...request, name: 'c' }, { ...LIMITS, groupsMax: 2 }, 2),
    ],
    ['keyGroupMissing', () => add(document, 'k', 3, { group: 'ENCR_c' })],
    ['keyMissing', () => modifyKey(document, edit({ name: 'k9' }), LIMITS, 2)],
    ['keyNameExists', () => modifyKey(document, edit({ newName: 'k2' }), LIMITS, 2)],
    ['keyNameExists', () => add(document, 'k1', 3)],
    ['keyTagExists', () => add(document, 'k3', 1)],
    ['kmsUsage', () => add(document, ' k3', 3)],
    ['kmsUsage', () => modifyKey(document, edit({ description: 'x'.repeat(1_025) }), LIMITS, 2)],
    [
      'keyLimit',
      () => modifyKey(document, edit({ moveTo: 'ENCR_b' }), { ...LIMITS, keysPerGroupMax: 0 }, 2),
    ],
    [
      'keyGroupExists',
      () => modifyGroup(document, { name: 'ENCR_a', newName: 'ENCR_b', description: '' }, 2),
    ],
    [
      'keyGroupNotEmpty',
      () => deleteGroup(document, { name: 'ENCR_a', force: false, by: 'root' }, 2),
    ],
    [
      'keyDeleteState',
      () => deleteGroup(withKeyIn('inactive'), { name: 'ENCR_a', force: true, by: 'root' }, 2),
    ],
  ];
  for (const [expected, act] of refusals)
    expect([act.toString(), status(act)]).toEqual([act.toString(), expected]);
  const inUse = { group: 'ENCR_a', name: 'k1', by: 'root', inUse: 3 };
  expect(status(() => deleteKey(document, { ...inUse, force: false }, 2))).toBe('keyInUse');
  const { tombstones } = deleteKey(document, { ...inUse, force: true }, 2).document;
  expect(tombstones).toEqual([
    { tag: hex(1), name: 'k1', groupName: 'ENCR_a', deletedMs: 2, by: 'root' },
  ]);
  const emptied = deleteGroup(document, { name: 'ENCR_a', force: true, by: 'root' }, 2);
  expect(emptied).toMatchObject({ keysDeleted: 2, document: { keys: [] } });
  expect(emptied.document.tombstones).toHaveLength(2);
});

test('the same secret is not taken in twice under two tags', () => {
  const { document } = add(withGroups('ENCR_a'), 'k1', 1);
  const twin = { ...material(1), tag: hex(2), origin: 'imported' as const };
  const request = { group: 'ENCR_a', name: 'k2', description: '', material: twin };
  expect(status(() => addKey(document, { ...request, state: 'inactive' }, LIMITS, 2))).toBe(
    'keyMaterialExists',
  );
});

const group = fc.nat(19).map((number) => `ENCR_${number}`);
const name = fc.nat(5).map((number) => `k${number}`);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const state = fc.constantFrom(...KEY_STATES);
type Act = (document: KeyStoreDocument, nowMs: number) => KeyStoreDocument;
let groupsMade = 1_000;
const act: fc.Arbitrary<Act> = fc.oneof(
  group.map(
    (named): Act =>
      (document, nowMs) => {
        groupsMade += 1;
        const request = { name: named, cipher: '', description: '', tag: hex(groupsMade) };
        return createGroup(document, request, LIMITS, nowMs).document;
      },
  ),
  fc.tuple(group, maybe(group)).map(
    ([named, newName]): Act =>
      (document, nowMs) =>
        modifyGroup(document, { name: named, newName, description: undefined }, nowMs).document,
  ),
  fc.tuple(group, fc.boolean()).map(
    ([named, force]): Act =>
      (document, nowMs) =>
        deleteGroup(document, { name: named, force, by: 'root' }, nowMs).document,
  ),
  fc.tuple(group, name, fc.nat(40), fc.constantFrom('prelive', 'active', 'inactive')).map(
    ([place, named, number, begin]): Act =>
      (document, nowMs) =>
        addKey(
          document,
          { group: place, name: named, description: '', state: begin, material: material(number) },
          LIMITS,
          nowMs,
        ).document,
  ),
  fc.tuple(group, name, maybe(state), maybe(name), maybe(group)).map(
    ([place, named, to, newName, moveTo]): Act =>
      (document, nowMs) =>
        modifyKey(
          document,
          edit({ group: place, name: named, state: to, newName, moveTo }),
          LIMITS,
          nowMs,
        ).document,
  ),
  fc.tuple(group, name, fc.boolean()).map(
    ([place, named, force]): Act =>
      (document, nowMs) =>
        deleteKey(document, { group: place, name: named, by: 'root', inUse: 0, force }, nowMs)
          .document,
  ),
);

test('100,000 random requests: every content holds all rules, and a key changes its state by steps alone', () => {
  let taken = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(act, fc.nat(1_000)), { minLength: 500, maxLength: 500 }),
      (acts) => {
        let document = withGroups('ENCR_0', 'ENCR_1', 'ENCR_2', 'ENCR_3');
        for (const [each, nowMs] of acts) {
          const before = document;
          if (status(() => (document = each(before, nowMs))) !== 'ok')
            expect(document).toBe(before);
          else taken += 1;
          expect(brokenRules(document)).toEqual([]);
        }
      },
    ),
    { numRuns: 200 },
  );
  expect(taken).toBeGreaterThan(10_000);
});

test('a content that breaks a rule is told', () => {
  const document = withKeyIn('active');
  const key = keyNamed(document, { group: 'ENCR_a', key: 'k1' });
  const twin = { ...key, name: 'k2', tag: hex(7), proof: hex(7) };
  expect(brokenRules({ ...document, keys: [key, twin] })).toEqual([
    'active keys of a group are not unique',
  ]);
  expect(brokenRules({ ...document, groups: [] })).toEqual(['a key has no group']);
  expect(brokenRules({ ...document, keys: [{ ...key, modifiedMs: 0 }] })).toHaveLength(1);
});
