import type { MdsOption } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import type { Holding, Holdings, MpxGroup, Use } from './books.ts';
import type { Offer } from './choice.ts';
import { needsOf, type Waiting } from './need.ts';
import { plan } from './plan.ts';
import { RequestQueue } from './queue.ts';
import {
  copying,
  keyOf,
  offer,
  offerOf,
  option,
  reading,
  volume,
  waiting,
} from './samples.test-data.ts';

const nothing: Holdings = { held: [], uses: [], groups: [] };

function held(kind: 'drive' | 'volume', name: string, jobId?: bigint, reason = ''): Holding {
  return { kind, name, jobId, reason };
}

const use = (more: Partial<Use> = {}): Use => ({
  ...{ counters: [], storageUnit: 'u', mediaServer: 'media1', writes: true, epoch: 1n, ...more },
});

interface Case {
  holdings?: Partial<Holdings>;
  nowMs?: number;
}

/** With one offer for all needs, or one by need. */
function planned(rows: Waiting[], offers: Offer | Map<string, Offer>, more: Case = {}) {
  const queue = new RequestQueue();
  for (const row of rows) queue.add(row);
  const { grants, refused, missing, reasonsOf } = plan({
    ...{ queue, nowMs: more.nowMs ?? 0, ageMs: 1_000, missingMax: 9 },
    holdings: { ...nothing, ...more.holdings },
    offers: {
      find: (key) => {
        const found = offers instanceof Map ? offers.get(key) : offers;
        return found && { offer: found, fresh: true };
      },
    },
  });
  const given = grants.map(({ waiting: { key }, picks }) => [
    key,
    ...picks.flatMap((pick) =>
      pick.join === undefined
        ? [pick.drive?.name ?? pick.option.diskPath, pick.volume?.volume?.mediaId ?? '']
        : [`joins ${pick.join.id}`],
    ),
  ]);
  const granted = new Set(grants.map(({ waiting: { key } }) => key));
  const waits = rows
    .filter(({ key }) => !granted.has(key) && refused.every((each) => each.waiting.key !== key))
    .map((row) => [row.key, reasonsOf(row, queue.lineOf(row.key))?.join('; ')]);
  return { given, waits, refused, missing };
}

test('the first drives and volumes go to who asked first, and nothing is given twice', () => {
  const { given, waits } = planned(
    [waiting(3), waiting(1), waiting(2)],
    offer(['d0', 'd1'], ['A', 'B', 'C']),
  );
  expect(given).toEqual([
    ['1/1/0', 'd0', 'A'],
    ['2/1/0', 'd1', 'B'],
  ]);
  expect(waits).toEqual([['3/1/0', 'drive d0 is held by job 1; drive d1 is held by job 2']]);
});

test('a higher priority goes before an older request, until that has waited long', () => {
  const queue = [waiting(1), waiting(2, { priority: 5 })];
  const one = offer(['d0'], ['A']);
  expect(planned(queue, one).given).toEqual([['2/1/0', 'd0', 'A']]);
  expect(planned(queue, one, { nowMs: 1_002 }).given).toEqual([['1/1/0', 'd0', 'A']]);
});

test('who must wait lets others pass that want something else', () => {
  const [a, b] = [reading(1, 'A'), reading(2, 'B')];
  const offers = new Map([
    [keyOf(a), offer(['d0'], ['A'])],
    [keyOf(b), offer(['d0'], ['B'])],
  ]);
  const { given, waits } = planned([a, b], offers, {
    holdings: { held: [held('volume', 'A', 9n)] },
  });
  expect(given).toEqual([['2/1/0', 'd0', 'B']]);
  expect(waits).toEqual([['1/1/0', 'volume A is held by job 9']]);
});

test('a counter that has no room blocks without asking nbemm', () => {
  const name = 'NBU_POLICY.MAXJOBS.p';
  const counters = [{ name, limit: 2 }];
  const queue = [waiting(1, { counters }), waiting(2, { counters }), waiting(3, { counters })];
  const uses = [use({ counters: [name] })];
  const two = offer(['d0', 'd1'], ['A', 'B']);
  const { given, waits } = planned(queue, two, { holdings: { uses } });
  expect(given).toEqual([['1/1/0', 'd0', 'A']]);
  expect(waits[0]?.[1]).toBe(`limit of ${name} has been reached: 2 of 2`);
  const full = planned(queue, new Map(), { holdings: { uses: [...uses, ...uses] } });
  expect(full.missing.size).toBe(0);
});

test('a limit of 0 is none', () => {
  const counters = [{ name: 'n', limit: 0 }];
  const queue = [waiting(1, { counters }), waiting(2, { counters })];
  expect(planned(queue, offer(['d0', 'd1'], ['A', 'B'])).given).toHaveLength(2);
});

test('a storage unit gives no more drives than it may write with; reads do not count', () => {
  const queue = [waiting(1), waiting(2), reading(3, 'C')];
  const offers = new Map([
    [keyOf(queue[0]!), offer(['d0', 'd1', 'd2'], ['A', 'B'], 1)],
    [keyOf(queue[2]!), offer(['d0', 'd1', 'd2'], ['C'], 1)],
  ]);
  const { given, waits } = planned(queue, offers);
  expect(given.map(([key]) => key)).toEqual(['1/1/0', '3/1/0']);
  const why = 'drive d0 is held by job 1; 1 of 1 drives of storage unit unit1 are in use';
  expect(waits).toEqual([['2/1/0', why]]);
});

test('what an option uses counts too: connections to a filer', () => {
  const counters = [{ name: 'NDMP.CONNECTIONS.filer1', limit: 1 }];
  const one = offerOf([option(['d0', 'd1'], ['A', 'B'], { counters })]);
  const { given, waits } = planned([waiting(1), waiting(2)], one);
  expect(given).toHaveLength(1);
  expect(waits[0]?.[1]).toContain('limit of NDMP.CONNECTIONS.filer1 has been reached: 1 of 1');
});

test('what is unknown is not given, and says why', () => {
  const holdings = { held: [held('drive', 'd0', undefined, 'media1 went away')] };
  const { waits } = planned([waiting(1)], offer(['d0'], ['A']), { holdings });
  expect(waits).toEqual([['1/1/0', 'drive d0 is unknown: media1 went away']]);
});

test('a refusal is passed on, and a need without an offer is asked for once', () => {
  const refusal = { code: 96, name: 'noMediaAvailable', detail: 'none', context: {} };
  const refusing = offerOf([], { refusal });
  expect(planned([waiting(1)], refusing).refused).toMatchObject([{ status: refusal }]);
  expect(planned([waiting(1), waiting(2)], new Map()).missing.size).toBe(1);
});

test('a waiting read keeps its volume from later writes, not from earlier ones', () => {
  const read = reading(2, 'A');
  const offers = new Map([
    [keyOf(read), offer(['d0'], ['A'])],
    [keyOf(waiting(0)), offer(['d1'], ['A', 'B'])],
  ]);
  const holdings = { held: [held('drive', 'd0', 9n)] };
  expect(planned([read, waiting(3)], offers, { holdings }).given).toEqual([['3/1/0', 'd1', 'B']]);
  expect(planned([waiting(1), read], offers, { holdings }).given).toEqual([['1/1/0', 'd1', 'A']]);
});

test('without any option the reasons of nbemm are shown', () => {
  const empty = offerOf([], { reasons: ['nbemm could not be asked: x'] });
  expect(planned([waiting(1)], empty).waits).toEqual([['1/1/0', 'nbemm could not be asked: x']]);
});

test('the drive that has the volume comes first', () => {
  const volumes = [volume('A', { mountedDrive: 'd1' })];
  const { given } = planned([waiting(1)], offerOf([option(['d0', 'd1'], [], { volumes })]));
  expect(given).toEqual([['1/1/0', 'd1', 'A']]);
});

const copyOffers = (copy: Waiting, drives = ['d0', 'd1']): Map<string, Offer> =>
  new Map([
    [keyOf(copy, 0), offer(drives, ['A'])],
    [keyOf(copy, 1), offer(['d0'], ['B'])],
  ]);

test('several resources are given together or not at all', () => {
  const copy = copying(1, 'A');
  // The write can only have d0, so the read must leave it.
  expect(planned([copy], copyOffers(copy)).given).toEqual([['1/1/0', 'd1', 'A', 'd0', 'B']]);
  const { given, waits } = planned([copy], copyOffers(copy, ['d0']));
  expect(given).toEqual([]);
  expect(waits).toEqual([['1/1/0', 'one more drive is needed beside d0']]);
});

test('a copy that has waited long has the free drive kept for it, and not before', () => {
  const copy = copying(1, 'A');
  const other = waiting(2, { storageUnit: 'any' });
  const offers = new Map([...copyOffers(copy), [keyOf(other), offer(['d0', 'd1'], ['C'])]]);
  const holdings = { held: [held('drive', 'd1', 9n), held('volume', 'X', 9n)] };
  expect(planned([copy, other], offers, { holdings }).given).toHaveLength(1);
  const late = planned([copy, other], offers, { holdings, nowMs: 1_002 });
  expect(late.given).toEqual([]);
  expect(late.waits[1]?.[1]).toContain('drive d0 is kept for job 1, which has waited long');
  // Nobody knows when an unknown drive comes back: others must not wait for that too.
  const unknown = { held: [held('drive', 'd1', undefined, 'lost')] };
  expect(planned([copy, other], offers, { holdings: unknown, nowMs: 1_002 }).given).toHaveLength(1);
});

test('streams share a drive up to the limit of unit and schedule, and no further', () => {
  const shared = offerOf([option(['d0', 'd1'], ['A', 'B'], { maxMpx: 4 })]);
  const queue = [1, 2, 3, 4].map((n) => waiting(n, { maxMpx: 3 }));
  expect(planned(queue, shared).given).toEqual([
    ['1/1/0', 'd0', 'A'],
    ['2/1/0', 'joins 1/1/0'],
    ['3/1/0', 'joins 1/1/0'],
    ['4/1/0', 'd1', 'B'],
  ]);
  const alone = [waiting(1, { maxMpx: 3 }), waiting(2)];
  expect(planned(alone, shared).given[1]).toEqual(['2/1/0', 'd1', 'B']);
});

test('streams join only what is alike, and wait while its volume is being assigned', () => {
  const group = (more: Partial<MpxGroup>): MpxGroup => ({
    ...{ id: 'g1', jobId: 9n, storageUnit: 'unit1', pool: 'NetBackup', retentionLevel: 0 },
    ...{ drive: 'd0', mediaId: 'A', members: 1, max: 4, state: 'open', ...more },
  });
  const shared = offerOf([option(['d1'], ['B'], { maxMpx: 4 })]);
  const asks = (more: Partial<MpxGroup>) =>
    planned([waiting(1, { maxMpx: 4 })], shared, { holdings: { groups: [group(more)] } });
  expect(asks({}).given).toEqual([['1/1/0', 'joins g1']]);
  for (const other of [
    { pool: 'x' },
    { retentionLevel: 1 },
    { state: 'closed' as const },
    { members: 4 },
  ]) {
    expect(asks(other).given).toEqual([['1/1/0', 'd1', 'B']]);
  }
  expect(asks({ state: 'opening' }).waits[0]?.[1]).toContain('joins the streams of job 9');
});

const units = (more: Partial<MdsOption>[]): MdsOption[] =>
  more.map((each, i) => option([`d${i}`], [`V${i}`], each));

test('groups: in turn by the last use, or to the media server with the fewest grants', () => {
  const two = units([
    { storageUnit: 'a', mediaServer: 'm1' },
    { storageUnit: 'b', mediaServer: 'm2' },
  ]);
  const uses = [use({ storageUnit: 'a', mediaServer: 'm1', epoch: 7n })];
  const first = (selection: Offer['selection']) =>
    planned([waiting(1)], offerOf(two, { selection }), { holdings: { uses } }).given[0]?.[1];
  expect(first('MDS_SELECTION_IN_ORDER')).toBe('d0');
  expect(first('MDS_SELECTION_ROUND_ROBIN')).toBe('d1');
  expect(first('MDS_SELECTION_LOAD_BALANCE')).toBe('d1');
});

test('a disk storage unit has neither drive nor volume, but a number of jobs', () => {
  const disk = offerOf([option([], [], { diskPath: '/disk', maxDrives: 1 })]);
  const { given, waits } = planned([waiting(1), waiting(2)], disk);
  expect(given).toEqual([['1/1/0', '/disk', '']]);
  expect(waits[0]?.[1]).toBe('1 of 1 jobs of storage unit unit1 are in use');
});

test('an old offer makes wait, and is asked for again before anything is given from it', () => {
  const queue = new RequestQueue();
  for (const n of [1, 2, 3]) queue.add(waiting(n, { pool: `p${n}` }));
  const known = offer(['d0'], ['A']);
  const facts = { queue, nowMs: 0, ageMs: 1_000, missingMax: 9 };
  const find = () => ({ offer: known, fresh: false });
  const busy = { ...nothing, held: [held('drive', 'd0', 9n)] };
  expect(plan({ ...facts, holdings: busy, offers: { find } }).missing.size).toBe(0);
  // Only the first could have the one drive: the others need not be asked for.
  const { missing, grants } = plan({ ...facts, holdings: nothing, offers: { find } });
  expect([...missing.values()].map((request) => request.pool)).toEqual(['p1']);
  expect(grants).toEqual([]);
  expect(needsOf(waiting(1).request)).toHaveLength(1);
});
