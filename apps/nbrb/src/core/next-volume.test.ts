import fc from 'fast-check';
import { expect, test } from 'vitest';
import { goesOnUpon } from './model.test-data.ts';
import { chooseNext, type HeldVolume, type NextVolumeFacts } from './next-volume.ts';
import { copying, reading, volume, waiting } from './samples.test-data.ts';

const held = (name: string, group = 'g7', reason = ''): HeldVolume => ({
  ...{ name, group, jobId: 7n, reason },
});
const facts: NextVolumeFacts = {
  offered: ['A', 'B', 'C'].map((name) => volume(name)),
  ...{ reasons: [], group: 'g1', writes: true, held: [], waiting: [] },
};

test('the first that is free, and that nobody waits to read', () => {
  expect(chooseNext(facts)).toEqual({ volume: facts.offered[0] });
  const busy = { ...facts, held: [held('A')], waiting: [reading(9, 'B')] };
  expect(chooseNext(busy)).toEqual({ volume: facts.offered[2] });
  expect(chooseNext({ ...busy, writes: false })).toEqual({ volume: facts.offered[1] });
  expect(chooseNext({ ...busy, held: [held('A', 'g1')] })).toEqual({ volume: facts.offered[0] });
});

test('who must wait hears why: of volumes that are in use, else in the words of nbemm', () => {
  const busy = [held('A'), held('B', 'g8', 'silent'), held('C')];
  expect(chooseNext({ ...facts, held: busy })).toEqual({
    reasons: [
      'volume A is held by job 7',
      'volume B is unknown: silent',
      'volume C is held by job 7',
    ],
  });
  const none = { ...facts, offered: [], reasons: ['no volume of pool P fits'] };
  expect(chooseNext(none)).toEqual({ reasons: ['no volume of pool P fits'] });
});

test('what is chosen is what the model says, and a reason is never missing', () => {
  const name = fc.constantFrom('A', 'B', 'C', 'D', 'E');
  const books = fc.array(fc.record({ name, group: fc.constantFrom('g1', 'g2', 'g3') }));
  const queued = fc.oneof(
    name.map((mediaId) => reading(3, mediaId)),
    name.map((mediaId) => copying(4, mediaId)),
    fc.constant(waiting(5)),
  );
  fc.assert(
    fc.property(
      ...[fc.uniqueArray(name), books, fc.array(queued, { maxLength: 3 }), fc.boolean()],
      (offered, holdings, queue, writes) => {
        const choice = chooseNext({
          ...{ offered: offered.map((each) => volume(each)), reasons: [], group: 'g1', writes },
          held: holdings.map((each) => held(each.name, each.group)),
          waiting: queue,
        });
        const wanted = goesOnUpon(offered, 'g1', { held: holdings, queue, writes });
        const chosen = 'volume' in choice ? choice.volume.volume?.mediaId : undefined;
        expect(chosen).toBe(wanted);
        if ('reasons' in choice) expect(choice.reasons.length).toBeGreaterThan(0);
      },
    ),
  );
});
