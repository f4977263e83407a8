import { expect, test } from 'vitest';
import { grant, type Holding, type Holdings, needKey, type Offer, type Waiting } from './grant.ts';
import { offer, reading, waiting } from './samples.test-data.ts';

const nothing: Holdings = { held: [], uses: [] };

function held(kind: 'drive' | 'volume', name: string, jobId?: bigint, reason = ''): Holding {
  return { kind, name, jobId, reason };
}

function plan(queue: Waiting[], offers: Offer | Map<string, Offer>, holdings = nothing) {
  const all =
    offers instanceof Map
      ? offers
      : new Map(queue.map(({ request }) => [needKey(request), offers]));
  const result = grant(queue, holdings, all);
  return {
    ...result,
    given: result.grants.map(({ waiting: { key }, candidate: { drive, volume } }) => [
      key,
      drive?.name,
      volume?.mediaId,
    ]),
    waits: result.blocked.map(({ waiting: { key }, reasons }) => [key, reasons.join('; ')]),
  };
}

test('the first candidates go to who asked first, and nothing is given twice', () => {
  const queue = [waiting(3), waiting(1), waiting(2)];
  const { given, waits } = plan(queue, offer(['d0', 'd1'], ['A', 'B', 'C']));
  expect(given).toEqual([
    ['1/1/0', 'd0', 'A'],
    ['2/1/0', 'd1', 'B'],
  ]);
  expect(waits).toEqual([['3/1/0', expect.stringContaining('drive d0 is held by job 1')]]);
});

test('a higher priority goes before an older request', () => {
  const queue = [waiting(1), waiting(2, { priority: 5 })];
  expect(plan(queue, offer(['d0'], ['A'])).given).toEqual([['2/1/0', 'd0', 'A']]);
});

test('who must wait lets others pass that want something else', () => {
  const [a, b] = [reading(1, 'A'), reading(2, 'B')];
  const offers = new Map([
    [needKey(a.request), offer(['d0'], ['A'])],
    [needKey(b.request), offer(['d0'], ['B'])],
  ]);
  const holdings = { held: [held('volume', 'A', 9n)], uses: [] };
  const result = plan([a, b], offers, holdings);
  expect(result.given).toEqual([['2/1/0', 'd0', 'B']]);
  expect(result.waits).toEqual([['1/1/0', 'volume A is held by job 9']]);
});

test('a counter that has no room blocks without asking nbemm', () => {
  const counters = [{ name: 'NBU_POLICY.MAXJOBS.p', limit: 2 }];
  const queue = [waiting(1, { counters }), waiting(2, { counters }), waiting(3, { counters })];
  const use = { counters: ['NBU_POLICY.MAXJOBS.p'], storageUnit: 'u', writes: true };
  const holdings = { held: [], uses: [use] };
  const result = plan(queue, offer(['d0', 'd1'], ['A', 'B']), holdings);
  expect(result.given).toEqual([['1/1/0', 'd0', 'A']]);
  expect(result.waits[0]?.[1]).toBe('limit of NBU_POLICY.MAXJOBS.p has been reached: 2 of 2');
  const full = plan(queue, new Map(), { held: [], uses: [use, use] });
  expect(full.missing.size).toBe(0);
});

test('a limit of 0 is none', () => {
  const counters = [{ name: 'n', limit: 0 }];
  const queue = [waiting(1, { counters }), waiting(2, { counters })];
  expect(plan(queue, offer(['d0', 'd1'], ['A', 'B'])).given).toHaveLength(2);
});

test('a storage unit gives no more drives than it may write with; reads do not count', () => {
  const queue = [waiting(1), waiting(2), reading(3, 'C')];
  const offers = new Map([
    [needKey(queue[0]!.request), offer(['d0', 'd1', 'd2'], ['A', 'B'], 1)],
    [needKey(queue[2]!.request), offer(['d0', 'd1', 'd2'], ['C'], 1)],
  ]);
  const result = plan(queue, offers);
  expect(result.given.map(([key]) => key)).toEqual(['1/1/0', '3/1/0']);
  const held = 'drive d0 is held by job 1; volume A is held by job 1';
  expect(result.waits).toEqual([
    ['2/1/0', `${held}; 1 of 1 drives of storage unit unit1 are in use`],
  ]);
});

test('what is unknown is not given, and says why', () => {
  const holdings = { held: [held('drive', 'd0', undefined, 'media1 went away')], uses: [] };
  const { waits } = plan([waiting(1)], offer(['d0'], ['A']), holdings);
  expect(waits).toEqual([['1/1/0', 'drive d0 is unknown: media1 went away']]);
});

test('a refusal is passed on, and a need without an offer is asked for once', () => {
  const status = { code: 96, name: 'noMediaAvailable', detail: 'none', context: {} };
  const refusing = { candidates: [], reasons: [], refusal: status };
  expect(plan([waiting(1)], refusing).refused).toMatchObject([{ status }]);
  expect(plan([waiting(1), waiting(2)], new Map()).missing.size).toBe(1);
});

test('a waiting read keeps its volume from later writes, not from earlier ones', () => {
  const read = reading(2, 'A');
  const offers = new Map([
    [needKey(read.request), offer(['d0'], ['A'])],
    [needKey(waiting(0).request), offer(['d1'], ['A', 'B'])],
  ]);
  const holdings = { held: [held('drive', 'd0', 9n)], uses: [] };
  expect(plan([read, waiting(3)], offers, holdings).given).toEqual([['3/1/0', 'd1', 'B']]);
  expect(plan([waiting(1), read], offers, holdings).given).toEqual([['1/1/0', 'd1', 'A']]);
});

test('without any candidate the reasons of nbemm are shown', () => {
  const empty = { candidates: [], reasons: ['nbemm could not be asked: x'], refusal: null };
  expect(plan([waiting(1)], empty).waits).toEqual([['1/1/0', 'nbemm could not be asked: x']]);
});
