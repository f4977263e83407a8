// The whole life of grants under any mixture of requests, ends and crashes, as in simulation.test-data.ts: never two
// owners of a drive or volume; nothing stays taken once its host can be asked; nobody waits for ever.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Waiting } from './need.ts';
import { copying, reading, waiting } from './samples.test-data.ts';
import { Simulation } from './simulation.test-data.ts';
import { AGE_MS } from './simulation-state.test-data.ts';

const STEPS = 5_000;
const RUNS = 20;
const QUEUE_MAX = 20;

/** A small generator of our own: one number tells a whole run. */
function dice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

function anyRequest(n: number, nowMs: number, roll: (sides: number) => number): Waiting {
  const requestedMs = BigInt(nowMs);
  const mediaId = 'ABCDEFGH'[roll(8)]!;
  const kind = roll(10);
  if (kind === 0) {
    const copy = copying(n, mediaId);
    return { ...copy, request: { ...copy.request, requestedMs } };
  }
  if (kind < 4) return reading(n, mediaId, { requestedMs, priority: roll(3) });
  const counters = roll(2) === 0 ? [] : [{ name: `client${roll(2)}`, limit: 2 }];
  const maxMpx = roll(3);
  return waiting(n, { requestedMs, counters, maxMpx, priority: roll(4) === 0 ? 9 : 0 });
}

const WHO = ['nbrb', 'nbemm', 'm1', 'm2'];

function step(world: Simulation, n: number, roll: (sides: number) => number): void {
  const pickOne = <T>(of: Iterable<T>, then: (one: T) => void): void => {
    const list = [...of];
    if (list.length > 0) then(list[roll(list.length)]!);
  };
  const chance = roll(100);
  if (chance < 16) {
    if (world.requests.size < QUEUE_MAX) world.ask(anyRequest(n, world.nowMs, roll));
  } else if (chance < 32) world.round();
  else if (chance < 40) pickOne(world.untold, (key) => world.tell(key));
  else if (chance < 46) {
    pickOne(world.grants.values(), (row) => world.assign(row, roll(8) === 0));
  } else if (chance < 51) pickOne(world.grants.values(), (row) => world.mount(row));
  else if (chance < 52) {
    pickOne(world.grants.values(), (row) => world.askNext(row, 'ABCDEFGH'[roll(8)]!));
  } else if (chance < 53) {
    pickOne(world.holdings.keys(), (name) => world.assignNext(name, roll(8) === 0));
  } else if (chance < 54) pickOne(world.grants.values(), (row) => world.exchange(row));
  else if (chance < 62) pickOne(world.running, (key) => world.end(key));
  else if (chance < 64) pickOne(world.requests.keys(), (key) => world.end(key));
  else if (chance < 65) pickOne(world.grants.values(), (row) => world.end(row.key));
  else if (chance < 70) world.renew();
  else if (chance < 78) world.confirmReleases();
  else if (chance < 82) world.loseSilent();
  else if (chance < 84) pickOne(world.mounts.keys(), (name) => world.killWriters(name));
  else if (chance < 88) world.sweep(roll(2) === 0 ? 'm1' : 'm2');
  else if (chance < 91) world.askHosts();
  else if (chance < 93) pickOne(WHO, (who) => world.fail(who));
  else if (chance < 97) pickOne(WHO, (who) => world.recover(who));
  else world.pass(1 + roll(60));
}

/** Everything works again and every job ends: until nothing is waited for and nothing held. */
function drain(world: Simulation): number {
  for (const who of WHO) world.recover(who);
  let rounds = 0;
  while (world.requests.size + world.grants.size + world.holdings.size > 0) {
    rounds += 1;
    const left = [...world.requests.keys(), ...world.holdings.keys()];
    if (rounds > 500) throw new Error(`left over: ${left}`);
    world.round();
    for (const row of [...world.grants.values()]) world.assign(row, false);
    for (const key of [...world.untold]) world.tell(key);
    for (const key of [...world.running]) world.end(key);
    for (const row of [...world.grants.values()]) if (world.over.has(row.key)) world.end(row.key);
    for (const host of ['m1', 'm2']) world.sweep(host);
    world.confirmReleases();
    world.askHosts();
    world.pass(200);
    world.loseSilent();
    world.check();
  }
  if (world.assigned.size > 0)
    throw new Error(`assigned for nobody: ${[...world.assigned.keys()]}`);
  return rounds;
}

test(`${STEPS * RUNS} requests, ends and crashes: one owner each, no leak, nobody starves`, () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const roll = dice(seed);
      const world = new Simulation();
      const asked = new Set<string>();
      for (let n = 1; n <= STEPS; n++) {
        step(world, n, roll);
        for (const key of world.requests.keys()) asked.add(key);
        world.check();
      }
      drain(world);
      for (const key of asked) expect(world.served.has(key) || world.over.has(key), key).toBe(true);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

test('whoever has waited long is served, however many others keep coming', () => {
  for (const slow of [copying(1, 'A'), waiting(1, { counters: [{ name: 'client0', limit: 1 }] })]) {
    const world = new Simulation();
    world.ask({ ...slow, request: { ...slow.request, requestedMs: 0n } });
    let steps = 0;
    for (let n = 2; !world.served.has(slow.key); n++) {
      steps += 1;
      expect(steps).toBeLessThan(400);
      // Always more than enough others, of higher priority, and never two drives free at once.
      while (world.requests.size < 12) {
        const counters = n % 2 === 0 ? [{ name: 'client0', limit: 1 }] : [];
        const more = { requestedMs: BigInt(world.nowMs), priority: 9, counters };
        world.ask(waiting(n++, more));
      }
      world.round();
      for (const row of [...world.grants.values()]) world.assign(row, false);
      for (const key of [...world.untold]) world.tell(key);
      const [first] = [...world.running].filter((key) => key !== slow.key);
      if (first !== undefined) world.end(first);
      world.confirmReleases();
      world.pass(AGE_MS / 50);
      world.check();
    }
  }
});
