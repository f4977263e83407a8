import type { ScheduleType } from '@tapestry/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chainsAsOf, chainsFor } from './chains.ts';
import { chooseLevel, type DumpDate, type LevelFacts, type ValidImage } from './level.ts';
import { expirationOf, NEVER_S } from './retention.ts';

const DAY_S = 86_400n;

function image(
  id: string,
  level: number,
  timeS: number,
  more: Partial<ValidImage> = {},
): ValidImage {
  return {
    ...{ backupId: id, policy: 'p', level, backupTimeS: BigInt(timeS), expirationS: 999_999n },
    ...{ baseBackupId: level === 0 ? '' : 'full', butype: 'dump', ...more },
  };
}

function choose(
  type: 'FULL' | 'INCR' | 'CINC',
  images: ValidImage[],
  more: Partial<LevelFacts> = {},
) {
  return chooseLevel({
    scheduleType: `SCHEDULE_TYPE_${type}` as ScheduleType,
    ...{ policy: 'p', butype: '', images, dumpDates: [], nowS: 1_000n, ...more },
  });
}

const full = image('full', 0, 100);
const incr1 = image('incr1', 1, 200);
const incr2 = image('incr2', 2, 300, { baseBackupId: 'incr1' });

test('retention levels: periods by number, infinite ones, and at once', () => {
  expect(expirationOf(0, 0n)).toBe(7n * DAY_S);
  expect(expirationOf(1, 5n)).toBe(14n * DAY_S + 5n);
  expect(expirationOf(3, 0n)).toBe(31n * DAY_S);
  expect(expirationOf(8, 0n)).toBe(365n * DAY_S);
  for (const level of [9, 10, 24, 26, 100]) expect(expirationOf(level, 0n)).toBe(NEVER_S);
  expect(expirationOf(25, 77n)).toBe(77n);
});

test('full is level 0; differential builds on the newest, cumulative on the full', () => {
  const images = [full, incr1, incr2];
  expect(choose('FULL', images)).toMatchObject({ level: 0, base: undefined });
  expect(choose('INCR', images)).toMatchObject({ level: 3, base: incr2 });
  expect(choose('CINC', images)).toMatchObject({ level: 1, base: full });
  expect(choose('INCR', [])).toMatchObject({ level: 0, base: undefined });
});

test('after level 9 further differentials repeat level 9', () => {
  const images = [full];
  for (let level = 1; level <= 9; level++) {
    const baseBackupId = images.at(-1)!.backupId;
    images.push(image(`i${level}`, level, 100 + level, { baseBackupId }));
  }
  const tenth = choose('INCR', images);
  expect(tenth).toMatchObject({ level: 9, base: { backupId: 'i8' } });
});

test.each<[string, ValidImage[], Partial<LevelFacts>]>([
  ['expired', [image('full', 0, 100, { expirationS: 500n })], {}],
  ['another policy', [image('full', 0, 100, { policy: 'q' })], {}],
  ['another backup type', [full], { butype: 'tar' }],
  ['a base that is gone', [image('incr', 1, 200, { baseBackupId: 'gone' })], {}],
])('an incremental runs as a full one: %s', (_why, images, more) => {
  const choice = choose('INCR', images, more);
  expect(choice).toMatchObject({ level: 0, base: undefined });
  expect(choice.reason).not.toBe('');
});

const date = (level: number, backupId: string, atS: number, unsure: boolean): DumpDate => ({
  ...{ level, backupId, atS: BigInt(atS), unsure },
});

test('an unsure dump date forces its level or a lower one', () => {
  const images = [full, incr1, incr2];
  const sure = date(0, 'full', 100, false);
  const at = (dumpDates: DumpDate[]) => choose('INCR', images, { dumpDates }).level;
  expect(at([sure])).toBe(3);
  expect(at([sure, date(3, 'dead', 400, true)])).toBe(3);
  expect(at([sure, date(2, 'dead', 400, true)])).toBe(2);
  expect(at([sure, date(1, 'dead', 400, true)])).toBe(1);
  expect(at([date(0, 'dead', 400, true)])).toBe(0);
});

test('a newer dump date of an image that we no longer have rules out what is older', () => {
  const dumpDates = [date(0, 'full2', 500, false)];
  expect(choose('INCR', [full, incr1], { dumpDates })).toMatchObject({ level: 0 });
});

test('no incremental ever builds on what the filer would not', () => {
  const anyImage = fc.record({ level: fc.integer({ min: 0, max: 9 }), unsure: fc.boolean() });
  fc.assert(
    fc.property(fc.array(anyImage, { maxLength: 12 }), (history) => {
      // A filer keeps a date for each level, whether or not the image became valid, and forgets none; we keep less.
      const filer = new Map<number, DumpDate>();
      const dates = new Map<number, DumpDate>();
      const images: ValidImage[] = [];
      history.forEach(({ unsure }, i) => {
        const facts = { dumpDates: [...dates.values()] };
        const { level, base } = choose(i % 3 === 0 ? 'CINC' : 'INCR', images, facts);
        const lower = [...filer.values()].filter((each) => each.level < level);
        const filersBase = lower.sort((a, b) => Number(b.atS - a.atS))[0];
        expect(filersBase?.backupId).toBe(base?.backupId);
        const backupId = `b${i}`;
        for (const memory of [filer, dates])
          memory.set(level, date(level, backupId, i + 1, unsure));
        if (unsure) return;
        for (const [at] of dates) if (at > level) dates.delete(at);
        images.push(image(backupId, level, i + 1, { baseBackupId: base?.backupId ?? '' }));
      });
    }),
    { numRuns: 1_000 },
  );
});

test('a client as of a time: the newest whole chain of each path', () => {
  const at = (id: string, path: string, level: number, timeS: number, base = '') => ({
    ...image(id, level, timeS, { baseBackupId: base }),
    path,
  });
  const images = [
    at('a0', '/a', 0, 100),
    at('a1', '/a', 1, 200, 'a0'),
    at('a2', '/a', 2, 300, 'a1'),
    at('b0', '/a/b', 0, 250),
    at('c1', '/c', 1, 300, 'lost'),
  ];
  const ids = (startS: bigint, endS: bigint) =>
    chainsAsOf(images, { startS, endS, nowS: 0n }).map((chain) =>
      chain.map((each) => each.backupId),
    );
  expect(ids(0n, 0n)).toEqual([['a0', 'a1', 'a2'], ['b0']]);
  expect(ids(0n, 260n)).toEqual([['b0'], ['a0', 'a1']]);
  expect(ids(260n, 0n)).toEqual([['a0', 'a1', 'a2']]);
  const chains = chainsAsOf(images, { startS: 0n, endS: 0n, nowS: 0n });
  const { above, below } = chainsFor(chains, '/a/b/x');
  expect([above.length, below.length]).toEqual([2, 0]);
  expect(chainsFor(chains, '/').below).toHaveLength(2);
  expect(chainsFor(chains, '/ab').above).toHaveLength(0);
});
