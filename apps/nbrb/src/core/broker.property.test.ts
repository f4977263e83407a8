// The core beside a model of its store, over random requests, passes, releases, losses and restarts: never two owners
// of a drive or volume, no limit broken, nothing kept once all is over, and equals go in the order of their asking.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeReport } from './drive-report.ts';
import { grant, type Holding, needKey, type Waiting } from './grant.ts';
import { offer, reading, waiting } from './samples.test-data.ts';

const DRIVES = ['d0', 'd1', 'd2'];
const VOLUMES = ['A', 'B', 'C', 'D'];
const LIMIT = 2;

interface Given {
  readonly key: string;
  readonly grantId: string;
  readonly jobId: bigint;
  readonly drive: string;
  readonly volume: string;
  readonly counters: string[];
  readonly writes: boolean;
  state: 'active' | 'releasing' | 'lost';
}

/** The store: a drive and a volume are keys, as in the database. */
class Model {
  queue: Waiting[] = [];
  grants = new Map<string, Given>();
  drives = new Map<string, string>();
  volumes = new Map<string, string>();
  readonly order: string[] = [];
  serial = 0;

  pass(): void {
    const held: Holding[] = [];
    for (const [kind, rows] of [
      ['drive', this.drives],
      ['volume', this.volumes],
    ] as const) {
      for (const [name, id] of rows) {
        const row = this.grants.get(id)!;
        held.push({ kind, name, jobId: row.jobId, reason: row.state === 'lost' ? 'lost' : '' });
      }
    }
    const uses = [...this.grants.values()]
      .filter((row) => row.state !== 'lost')
      .map((row) => ({
        counters: row.state === 'active' ? row.counters : [],
        ...{ storageUnit: 'unit1', writes: row.writes },
      }));
    const offers = new Map(
      this.queue.map(({ request }) => [
        needKey(request),
        offer(DRIVES, request.mediaId === '' ? VOLUMES : [request.mediaId], LIMIT),
      ]),
    );
    const plan = grant(this.queue, { held, uses }, offers);
    expect(plan.grants.length + plan.blocked.length).toBe(this.queue.length);
    for (const { waiting: who, candidate } of plan.grants) {
      this.give(who, candidate.drive!.name, candidate.volume!.mediaId);
    }
  }

  give(who: Waiting, drive: string, volume: string): void {
    expect(this.drives.has(drive)).toBe(false);
    expect(this.volumes.has(volume)).toBe(false);
    const grantId = `g${++this.serial}`;
    this.queue = this.queue.filter((each) => each !== who);
    this.drives.set(drive, grantId);
    this.volumes.set(volume, grantId);
    this.order.push(who.key);
    this.grants.set(grantId, {
      ...{ key: who.key, grantId, jobId: who.request.attempt!.jobId, drive, volume },
      counters: who.request.counters.map((counter) => counter.name),
      ...{ writes: who.request.mode === 'DRIVE_MODE_WRITE', state: 'active' },
    });
    const active = [...this.grants.values()].filter((row) => row.state === 'active');
    expect(active.filter((row) => row.counters.includes('jobs')).length).toBeLessThanOrEqual(LIMIT);
    const writing = [...this.grants.values()].filter((row) => row.writes && row.state !== 'lost');
    expect(writing.length).toBeLessThanOrEqual(LIMIT);
  }

  /** The host reports these drives as idle. */
  report(drives: readonly string[]): void {
    const entries = [...this.drives].map(([drive, grantId]) => ({
      ...{ drive, grantId, state: this.grants.get(grantId)!.state },
    }));
    const sights = drives.map((drive) => ({
      ...{ drive, holder: '', holderJobId: 0n, mediaId: '', unsure: false },
    }));
    for (const grantId of judgeReport(entries, sights).freeGrants) {
      const row = this.grants.get(grantId)!;
      expect(row.state).not.toBe('active');
      this.drives.delete(row.drive);
      this.volumes.delete(row.volume);
      this.grants.delete(grantId);
    }
  }
}

type Step =
  | { do: 'write' | 'read'; counted: boolean; priority: number; volume: string }
  | { do: 'pass' | 'restart' }
  | { do: 'release' | 'lose'; nth: number }
  | { do: 'report'; drive: string };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('write' as const, 'read' as const),
    counted: fc.boolean(),
    priority: fc.constantFrom(0, 0, 0, 7),
    volume: fc.constantFrom(...VOLUMES),
  }),
  fc.record({ do: fc.constantFrom('pass' as const, 'restart' as const) }),
  fc.record({ do: fc.constantFrom('release' as const, 'lose' as const), nth: fc.nat(5) }),
  fc.record({ do: fc.constant('report' as const), drive: fc.constantFrom(...DRIVES) }),
);

function perform(model: Model, step: Step, jobId: number): void {
  if (step.do === 'write' || step.do === 'read') {
    const counters = step.counted ? [{ name: 'jobs', limit: LIMIT }] : [];
    const more = { counters, priority: step.priority };
    const who = step.do === 'write' ? waiting(jobId, more) : reading(jobId, step.volume, more);
    model.queue.push(who);
  } else if (step.do === 'pass') model.pass();
  // A restart knows no more than the store: rows come back in another order.
  else if (step.do === 'restart') model.queue.reverse();
  else if (step.do === 'report') model.report([step.drive]);
  else if (step.do === 'release' || step.do === 'lose') {
    const active = [...model.grants.values()].filter((row) => row.state === 'active');
    const row = active[step.nth % Math.max(1, active.length)];
    if (row !== undefined) row.state = step.do === 'release' ? 'releasing' : 'lost';
  }
}

test('never two owners, no leaks, and equals in the order of their asking', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const model = new Model();
      const kinds = new Map<string, string>();
      steps.forEach((step, i) => {
        perform(model, step, i + 1);
        for (const { key, request } of model.queue) {
          const { mode, mediaId, priority, counters } = request;
          kinds.set(key, [mode, mediaId, priority, counters.length].join());
        }
      });
      // Everything ends: each grant is given back, each drive is seen idle, until nobody waits.
      for (let round = 0; model.queue.length > 0 || model.grants.size > 0; round++) {
        expect(round).toBeLessThanOrEqual(steps.length + 1);
        model.pass();
        for (const row of model.grants.values()) row.state = 'releasing';
        model.report(DRIVES);
      }
      expect(model.drives.size + model.volumes.size).toBe(0);
      const last = new Map<string, number>();
      for (const key of model.order) {
        const kind = kinds.get(key) ?? '';
        const jobId = Number.parseInt(key, 10);
        expect(last.get(kind) ?? 0).toBeLessThan(jobId);
        last.set(kind, jobId);
      }
    }),
    { numRuns: 500 },
  );
});
