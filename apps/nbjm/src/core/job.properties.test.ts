import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Effect } from './effects.ts';
import type { JobEvent } from './events.ts';
import {
  backupSpec,
  FACTS,
  GOOD_RUN,
  grantFor,
  IMAGE,
  NOW_MS,
  restoreSpec,
  runResult,
  status,
} from './job.test-data.ts';
import { type Step, step, submit } from './job.ts';
import { attemptOf, grantRef, heldGrant, type Job } from './state.ts';

/** A choice of what happens next; `old` picks among the grants and attempts that were there before. */
interface Choice {
  readonly what: (typeof WHATS)[number];
  readonly old: number;
}

const WHATS = [
  ...(['grant', 'grant', 'grantAgain', 'otherGrant', 'opened', 'opened', 'started'] as const),
  ...(['good', 'bad', 'badStart', 'missing', 'lost', 'cancel', 'stop', 'window'] as const),
  ...(['released', 'released', 'validated', 'invalid', 'abandoned'] as const),
  ...(['retry', 'noRetry', 'retryDue', 'refused'] as const),
] as const;

const choices = fc.array(fc.record({ what: fc.constantFrom(...WHATS), old: fc.nat(20) }), {
  maxLength: 60,
});

/** The world around one job: every grant that was ever sent to it, and what it did. */
class World {
  last: Step;
  readonly grants: ReturnType<typeof grantFor>[] = [];
  readonly received = new Set<string>();
  readonly released = new Set<string>();
  readonly startedOn: string[] = [];
  readonly #fresh = new Map<string, ReturnType<typeof grantFor>>();

  constructor(restore: boolean) {
    const spec = restore ? restoreSpec(3) : backupSpec();
    this.last = submit({ id: 17n, spec, nowMs: NOW_MS });
  }

  get job(): Job {
    return this.last.job;
  }

  apply(event: JobEvent): void {
    if (event.type === 'granted') this.received.add(event.grant.grantId);
    this.last = step(this.job, event, FACTS);
    for (const effect of this.last.effects) this.#note(effect);
  }

  #note(effect: Effect): void {
    if (effect.do === 'releaseGrant') this.released.add(effect.grant.grantId);
    if (effect.do !== 'startRun') return;
    // No run starts on a grant that was given back.
    expect(this.released.has(effect.grantId)).toBe(false);
    expect(heldGrant(this.job)?.grantId).toBe(effect.grantId);
    this.startedOn.push(effect.grantId);
  }

  /** The broker's answer to the request of this attempt: the same one each time. */
  fresh() {
    const attempt = attemptOf(this.job);
    const id = `g${attempt.try}.${attempt.step}`;
    const grant = this.#fresh.get(id) ?? grantFor(attempt, id);
    this.#fresh.set(id, grant);
    if (!this.grants.includes(grant)) this.grants.push(grant);
    return grant;
  }

  check(): void {
    const kept = [...this.received].filter((id) => !this.released.has(id));
    const held = heldGrant(this.job);
    expect(kept).toEqual(held === undefined ? [] : [held.grantId]);
    // Each grant starts one run at most.
    expect(new Set(this.startedOn).size).toBe(this.startedOn.length);
  }
}

function eventOf(world: World, { what, old }: Choice): JobEvent {
  const grant = world.grants.at(old % Math.max(1, world.grants.length)) ?? world.fresh();
  const attempt = grant.attempt!;
  const { grantId } = grant;
  switch (what) {
    case 'grant':
      return { type: 'granted', grant: world.fresh() };
    case 'grantAgain':
      return { type: 'granted', grant };
    case 'otherGrant': {
      const other = grantFor(attempt, `x${world.grants.length}`);
      world.grants.push(other);
      return { type: 'granted', grant: other };
    }
    case 'opened':
      return { type: 'imageOpened', grantId, image: IMAGE };
    case 'started':
      return { type: 'started', grantId };
    case 'good':
      return { type: 'runEnded', grant: grantRef(grant), result: GOOD_RUN };
    case 'bad': {
      const result = runResult({ status: status('mediaWriteError') });
      return { type: 'runEnded', grant: grantRef(grant), result };
    }
    case 'badStart':
      return { type: 'startFailed', grantId, status: status('cannotConnect') };
    case 'missing':
      return { type: 'runMissing', grantId };
    case 'lost':
      return { type: 'grantLost', grant: grantRef(grant), reason: 'planted' };
    case 'cancel':
      return { type: 'cancelled', requester: 'root' };
    case 'stop':
    case 'window':
      return { type: 'woken', attempt, why: what };
    case 'retryDue':
      return { type: 'woken', attempt, why: 'retry' };
    case 'released':
      return { type: 'released', grantId };
    case 'validated':
    case 'abandoned':
      return { type: what, attempt };
    case 'invalid':
      return { type: 'validationFailed', attempt, status: status('imageInconsistent') };
    case 'retry':
      return { type: 'verdict', attempt, retryAtMs: NOW_MS + 1 };
    case 'noRetry':
      return { type: 'verdict', attempt, retryAtMs: 0 };
    case 'refused':
      return { type: 'refused', attempt, status: status('noMediaAvailable') };
  }
}

test('grants received and not given back: exactly the held one, whatever comes, twice or late', () => {
  fc.assert(
    fc.property(fc.boolean(), choices, (restore, sequence) => {
      const world = new World(restore);
      for (const choice of sequence) {
        const event = eventOf(world, choice);
        world.apply(event);
        world.check();
      }
    }),
    { numRuns: 3_000 },
  );
});

test('an event that comes again at once changes nothing more', () => {
  fc.assert(
    fc.property(fc.boolean(), choices, (restore, sequence) => {
      const world = new World(restore);
      for (const choice of sequence) {
        const event = eventOf(world, choice);
        world.apply(event);
        const { job } = world;
        world.apply(event);
        expect(world.job).toBe(job);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('once everybody has answered, a job is done, rests, or waits in the queue: it never hangs', () => {
  fc.assert(
    fc.property(fc.boolean(), choices, (restore, sequence) => {
      const world = new World(restore);
      for (const choice of sequence) world.apply(eventOf(world, choice));
      answerAll(world);
      expect(['queued', 'resting', 'done']).toContain(world.job.phase.name);
    }),
    { numRuns: 1_000 },
  );
});

/** Answers what the job waits for until it waits for nothing but the broker or the clock. */
function answerAll(world: World): void {
  for (let turns = 0; turns < 20; turns++) {
    const attempt = attemptOf(world.job);
    const grant = heldGrant(world.job);
    if (grant !== undefined) world.apply({ type: 'grantLost', grant: grantRef(grant), reason: '' });
    const { phase } = world.job;
    if (phase.name !== 'closing') return;
    if (phase.grant !== null) world.apply({ type: 'released', grantId: phase.grant.grantId });
    world.apply({ type: 'validated', attempt });
    world.apply({ type: 'abandoned', attempt });
    world.apply({ type: 'verdict', attempt, retryAtMs: 0 });
  }
}
