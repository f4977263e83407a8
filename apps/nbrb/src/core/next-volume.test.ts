import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseNext } from './next-volume.ts';
import { volume } from './samples.test-data.ts';

const facts = {
  offered: ['A', 'B', 'C'].map((name) => volume(name)),
  reasons: [],
  held: new Map<string, string>(),
  awaited: new Map<string, bigint>(),
};

test('the first that is free, and that nobody waits to read', () => {
  expect(chooseNext(facts)).toEqual({ volume: facts.offered[0] });
  const held = new Map([['A', 'is held by job 7']]);
  const awaited = new Map([['B', 9n]]);
  expect(chooseNext({ ...facts, held, awaited })).toEqual({ volume: facts.offered[2] });
});

test('who must wait hears why: of volumes that are in use, else in the words of nbemm', () => {
  const held = new Map(['A', 'B', 'C'].map((name) => [name, 'is held by job 7'] as const));
  expect(chooseNext({ ...facts, held })).toMatchObject({
    reasons: ['volume A is held by job 7', expect.anything(), expect.anything()],
  });
  const none = { ...facts, offered: [], reasons: ['no volume of pool P fits'] };
  expect(chooseNext(none)).toEqual({ reasons: ['no volume of pool P fits'] });
});

test('whatever is offered, a volume that is held or awaited is never chosen, and a reason is never missing', () => {
  const names = fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D', 'E'));
  fc.assert(
    fc.property(names, names, names, (offered, taken, wanted) => {
      const choice = chooseNext({
        ...{ offered: offered.map((name) => volume(name)), reasons: [] },
        held: new Map(taken.map((name) => [name, 'is held'])),
        awaited: new Map(wanted.map((name) => [name, 1n])),
      });
      const free = offered.filter((name) => !taken.includes(name) && !wanted.includes(name));
      if ('volume' in choice) expect(choice.volume.volume?.mediaId).toBe(free[0]);
      else {
        expect(free).toEqual([]);
        expect(choice.reasons.length).toBeGreaterThan(0);
      }
    }),
  );
});
