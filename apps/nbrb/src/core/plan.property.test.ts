// The planner beside its model: over random queues, holdings and offers both hand out the same, also when the planner
// must ask for the offers bit by bit, and when what it knows of them is old.

import type { MdsOption } from '@tapestry/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Holding, Holdings, MpxGroup, Pick, Use } from './books.ts';
import type { Offer } from './choice.ts';
import { handOut } from './model.test-data.ts';
import type { Way } from './model-world.test-data.ts';
import { needsOf, type Waiting } from './need.ts';
import { type KnownOffer, plan } from './plan.ts';
import { RequestQueue } from './queue.ts';
import { copying, offerOf, option, reading, volume, waiting } from './samples.test-data.ts';

const DRIVES = ['d0', 'd1', 'd2', 'd3'];
const VOLUMES = ['A', 'B', 'C', 'D'];
const COUNTERS = ['client', 'policy'];
const AGE_MS = 20;
const NOW_MS = 30;

const subset = <T>(of: T[]): fc.Arbitrary<T[]> => fc.shuffledSubarray(of);
const anyOption: fc.Arbitrary<MdsOption> = fc
  .record({
    storageUnit: fc.constantFrom('unit1', 'unit2'),
    mediaServer: fc.constantFrom('media1', 'media2'),
    drives: subset(DRIVES),
    volumes: subset(VOLUMES),
    maxDrives: fc.constantFrom(0, 1, 2, 9),
    maxMpx: fc.constantFrom(1, 1, 3),
    counters: fc.constantFrom(0, 1).map((n) => (n === 0 ? [] : [{ name: 'filer', limit: 2 }])),
    diskPath: fc.constantFrom('', '', '', '', '/disk'),
    mounted: fc.constantFrom('', ...DRIVES),
    assign: fc.boolean(),
  })
  .map(({ drives, volumes, mounted, assign, ...more }) => {
    const disk = more.diskPath !== '';
    return option(disk ? [] : drives, [], {
      ...more,
      volumes: disk
        ? []
        : volumes.map((each, i) =>
            volume(each, { needsAssign: assign, mountedDrive: i === 0 ? mounted : '' }),
          ),
    });
  });

const anyOffer: fc.Arbitrary<Offer> = fc
  .record({
    choices: fc.array(anyOption, { maxLength: 3 }),
    selection: fc.constantFrom(
      'MDS_SELECTION_IN_ORDER' as const,
      'MDS_SELECTION_ROUND_ROBIN' as const,
      'MDS_SELECTION_LOAD_BALANCE' as const,
    ),
    refused: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ choices, selection, refused }) =>
    refused === 0
      ? offerOf([], { refusal: { code: 96, name: 'noMediaAvailable', detail: '', context: {} } })
      : offerOf(choices, { selection }),
  );

interface AnyRequest {
  kind: string;
  mediaId: string;
  pool: string;
  priority: number;
  counters: string[];
  maxMpx: number;
}

const anyRequest: fc.Arbitrary<AnyRequest> = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'read', 'copy'),
  mediaId: fc.constantFrom(...VOLUMES),
  pool: fc.constantFrom('', 'Weekly'),
  priority: fc.constantFrom(0, 0, 0, 7),
  counters: subset(COUNTERS),
  maxMpx: fc.constantFrom(0, 0, 2, 3),
});

function requestOf(n: number, any: AnyRequest): Waiting {
  const { kind, mediaId, pool, priority, maxMpx } = any;
  const counters = any.counters.map((name) => ({ name, limit: 2 }));
  if (kind === 'read') return reading(n, mediaId, { priority });
  if (kind === 'copy') return copying(n, mediaId, pool);
  return waiting(n, { pool, priority, counters, maxMpx });
}

const anyHolding: fc.Arbitrary<Holding> = fc.record({
  kind: fc.constantFrom('drive' as const, 'volume' as const),
  name: fc.constantFrom(...DRIVES, ...VOLUMES),
  jobId: fc.constant(99n),
  reason: fc.constantFrom('', '', 'lost'),
});
const anyUse: fc.Arbitrary<Use> = fc.record({
  counters: subset([...COUNTERS, 'filer']),
  storageUnit: fc.constantFrom('unit1', 'unit2'),
  mediaServer: fc.constantFrom('media1', 'media2'),
  writes: fc.boolean(),
  epoch: fc.bigInt({ min: 1n, max: 50n }),
});
const anyGroup: fc.Arbitrary<MpxGroup> = fc.record({
  ...{ id: fc.constant('g'), jobId: fc.constant(99n), storageUnit: fc.constant('unit1') },
  ...{ pool: fc.constant('NetBackup'), retentionLevel: fc.constant(0) },
  ...{ drive: fc.constant('d9'), mediaId: fc.constantFrom('Y', 'Z'), max: fc.constant(3) },
  members: fc.integer({ min: 1, max: 3 }),
  state: fc.constantFrom('open' as const, 'opening' as const, 'closed' as const),
});
const anyHoldings: fc.Arbitrary<Holdings> = fc.record({
  held: fc.uniqueArray(anyHolding, { maxLength: 4, selector: ({ name }) => name }),
  uses: fc.uniqueArray(anyUse, { maxLength: 3, selector: ({ epoch }) => epoch }),
  groups: fc.array(anyGroup, { maxLength: 2 }),
});

function told(picks: readonly (Pick | Way)[]): unknown[] {
  return picks.map((pick) =>
    'join' in pick
      ? [
          pick.option.storageUnit,
          pick.drive?.name ?? '',
          pick.volume?.volume?.mediaId ?? '',
          pick.join?.id,
        ]
      : [pick.option.storageUnit, pick.drive, pick.mediaId, pick.group?.id],
  );
}

test('the planner hands out what the model does', () => {
  const anyCase = fc.record({
    requests: fc.array(anyRequest, { maxLength: 14 }),
    holdings: anyHoldings,
    offers: fc.array(anyOffer, { minLength: 4, maxLength: 6 }),
    stale: fc.boolean(),
  });
  fc.assert(
    fc.property(anyCase, ({ requests, holdings, offers, stale }) => {
      const queue = new RequestQueue();
      requests.forEach((any, i) => {
        queue.add(requestOf(i + 1, any));
      });
      const keys = [
        ...new Set(queue.rows.flatMap(({ request }) => needsOf(request).map((n) => n.key))),
      ];
      const truth = new Map(keys.map((key, i) => [key, offers[i % offers.length]!]));
      // What was known before: the drives are right, the volumes stand in another order.
      const known = new Map<string, KnownOffer>();
      if (stale) {
        for (const [key, offer] of truth) {
          const choices = offer.choices.map((each) => ({
            ...each,
            volumes: [...each.volumes].reverse(),
          }));
          known.set(key, { offer: { ...offer, choices }, fresh: false });
        }
      }
      const ageing = { nowMs: NOW_MS, ageMs: AGE_MS };
      const facts = {
        queue,
        holdings,
        offers: { find: (key: string) => known.get(key) },
        missingMax: 2,
        ...ageing,
      };
      let found = plan(facts);
      for (let round = 0; found.missing.size > 0; round++) {
        expect(round).toBeLessThanOrEqual(keys.length);
        for (const key of found.missing.keys())
          known.set(key, { offer: truth.get(key)!, fresh: true });
        found = plan(facts);
      }
      const model = handOut(queue.rows, holdings, ({ key }) => truth.get(key)!, ageing);
      expect(found.grants.map(({ waiting: { key }, picks }) => [key, told(picks)])).toEqual(
        model.map(({ waiting: { key }, ways }) => [key, told(ways)]),
      );
    }),
    { numRuns: 20_000 },
  );
});
