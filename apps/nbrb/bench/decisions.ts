// How long a grant decision takes, with MDS: node apps/nbrb/bench/decisions.ts [decisions] [--json]. 10,000 requests wait,
// 200 drives in four robots are all busy, 50,000 volumes are known; then one drive after the other comes free. The cores of
// nbrb and nbemm in one process, without wires or database: what a slow decision costs is all theirs.

import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import type { EvaluateReply, ResourceRequest } from '@tapestry/contracts';
import type { Holding, Holdings, Use } from '../src/core/books.ts';
import { plan } from '../src/core/plan.ts';
import { RequestQueue } from '../src/core/queue.ts';
import { drive, waiting } from '../src/core/samples.test-data.ts';
import { OfferBook } from '../src/offers.ts';

const WAITING = 10_000;
const DRIVES = 200;
const VOLUMES = 50_000;
const ROBOTS = 4;
const POOLS = 12;
const [decisions = 2_000] = process.argv.slice(2).map(Number).filter(Number.isFinite);

interface Mds {
  select(
    inventory: object,
    need: ResourceRequest,
    facts: { nowMs: number; inUseMediaIds: readonly string[] },
  ): EvaluateReply;
}
interface Index {
  set(volume: object): void;
  find(mediaId: string): object | undefined;
}

// nbemm is another application: at run time it is only a message away, here a module.
const nbemm = join(import.meta.dirname, '../../nbemm/src/core');
const load = async (name: string): Promise<unknown> =>
  await import(pathToFileURL(join(nbemm, name)).href);
const { select } = (await load('select.ts')) as Mds;
const { VolumeIndex } = (await load('volume-index.ts')) as {
  VolumeIndex: new (volumes: Iterable<object>) => Index;
};

const driveNames = Array.from({ length: DRIVES }, (_, i) => `drive${i}`);
const robotOf = (n: number): number => n % ROBOTS;
const volumes = Array.from({ length: VOLUMES }, (_, i) => makeVolume(i, 0));
const inventory = {
  units: Array.from({ length: ROBOTS }, (_, i) => ({
    ...{ label: `unit${i}`, type: 'Media Manager', mediaServer: `media${i}`, density: 'hcart' },
    ...{ robotNumber: i, robotType: 'tld', maxDrives: DRIVES, maxFragmentMb: 1n, maxMpx: 1 },
    ...{ onDemandOnly: false, ndmpHost: '' },
  })),
  ...{ groups: [], disks: new Map() },
  mediaServers: Array.from({ length: ROBOTS }, (_, i) => ({ name: `media${i}`, active: true })),
  robots: [],
  drives: driveNames.map((name, i) => ({
    spec: { ...drive(name), index: i, mediaServer: `media${robotOf(i)}`, robotNumber: robotOf(i) },
    ...{ up: true, reason: '', lastUsedMs: i },
  })),
  pools: Array.from({ length: POOLS + 1 }, (_, i) => ({
    ...{ number: i, name: `pool${i}`, scratch: i === POOLS, maxPartiallyFull: 0 },
  })),
  volumes: new VolumeIndex(volumes),
  blockSizeBytes: 262_144,
};

function makeVolume(i: number, lastUsedMs: number) {
  const kind = i % 10;
  return {
    spec: {
      ...{ mediaId: `V${String(i).padStart(5, '0')}`, barcode: '', density: 'hcart', slot: 1 + i },
      ...{ robotNumber: robotOf(i), pool: `pool${kind === 9 ? POOLS : (i >> 2) % POOLS}` },
      ...{ assignedMs: kind < 6 ? 1n : 0n, retentionLevel: i % 3, append: null },
    },
    // A third of those begun are full.
    ...{ version: 1n, statusBits: kind < 2 ? 8 : 0, mounts: 0, maxMounts: 0, lastUsedMs },
    ...{ mountedDrive: '', expirationMs: 0 },
  };
}

const queue = new RequestQueue();
let asked = 0;
function ask(): void {
  const n = ++asked;
  const counters = [
    { name: `NBU_POLICY.MAXJOBS.policy${n % 300}`, limit: n % 3 === 0 ? 2 : 0 },
    { name: `NBU_CLIENT.MAXJOBS.client${n % 1_000}`, limit: 4 },
  ].filter(({ limit }) => limit > 0);
  const read = n % 20 === 0;
  queue.add(
    waiting(n, {
      ...{ priority: (n % 5) * 10, counters, pool: read ? '' : `pool${n % POOLS}` },
      ...{ storageUnit: read || n % 3 === 0 ? '' : `unit${n % ROBOTS}`, retentionLevel: n % 3 },
      ...(read
        ? { mode: 'DRIVE_MODE_READ' as const, mediaId: `V${String(n % VOLUMES).padStart(5, '0')}` }
        : {}),
    }),
  );
}
while (queue.size < WAITING) ask();

const offers = new OfferBook();
const held = new Map<string, { drive: string; volume: string; use: Use; jobId: bigint }>();
let epoch = 0n;
let evaluations = 0;

/** One round, as the daemon does it. @returns how many were given out */
function round(): number {
  const rows = [...held.values()];
  const holdings: Holdings = {
    held: rows.flatMap(({ drive, volume, jobId }): Holding[] => [
      { kind: 'drive', name: drive, jobId, reason: '' },
      { kind: 'volume', name: volume, jobId, reason: '' },
    ]),
    uses: rows.map(({ use }) => use),
    groups: [],
  };
  const inUseMediaIds = rows.map(({ volume }) => volume);
  offers.beginRound(asked);
  for (;;) {
    const facts = { queue, holdings, offers, nowMs: asked, ageMs: 5_000, missingMax: 32 };
    const found = plan(facts);
    if (found.missing.size === 0) {
      for (const { waiting: given, picks } of found.grants) {
        queue.remove(given.key);
        const [pick] = picks;
        const { storageUnit, mediaServer } = pick!.option;
        epoch += 1n;
        const counters = given.request.counters.map(({ name }) => name);
        const use = { counters, storageUnit, mediaServer, writes: true, epoch };
        const [name, mediaId] = [pick!.drive!.name, pick!.volume!.volume!.mediaId];
        held.set(name, { drive: name, volume: mediaId, use, jobId: epoch });
      }
      for (const { waiting: refused } of found.refused) queue.remove(refused.key);
      return found.grants.length;
    }
    for (const [key, request] of found.missing) {
      evaluations += 1;
      offers.set(key, request, select(inventory, request, { nowMs: asked, inUseMediaIds }), true);
    }
  }
}

const cold = timed(round);
while (round() > 0) while (queue.size < WAITING) ask();
for (let i = 0; i < 200; i++) decide(i);
evaluations = 0;
// Of the processor's time, because a shared machine lends it out: a decision waits for nobody.
const times = Array.from({ length: decisions }, (_, i) => decide(i));
const spent = times.map(({ cpuMs }) => cpuMs).sort((a, b) => a - b);
const passed = times.map(({ wallMs }) => wallMs).sort((a, b) => a - b);

/** A drive comes free: its volume was written, and somebody else gets the drive. */
function decide(i: number): Spent {
  const gone = held.get(driveNames[(i * 7) % DRIVES]!);
  if (gone !== undefined) {
    held.delete(gone.drive);
    const n = Number(gone.volume.slice(1));
    inventory.volumes.set({ ...makeVolume(n, asked + i), mountedDrive: gone.drive });
    offers.forget(`volume ${gone.volume}`);
  }
  while (queue.size < WAITING) ask();
  return timed(round);
}

interface Spent {
  readonly cpuMs: number;
  readonly wallMs: number;
}

function timed(run: () => unknown): Spent {
  const before = performance.now();
  const cpu = process.threadCpuUsage();
  run();
  const { user, system } = process.threadCpuUsage(cpu);
  return { cpuMs: (user + system) / 1_000, wallMs: performance.now() - before };
}

const at = (values: readonly number[], percent: number): number =>
  values[Math.min(values.length - 1, Math.floor((values.length * percent) / 100))]!;
const figures = {
  ...{ waiting: WAITING, drives: DRIVES, volumes: VOLUMES, decisions },
  ...{ p50Ms: at(spent, 50), p99Ms: at(spent, 99), mostMs: at(spent, 100) },
  ...{ wallP50Ms: at(passed, 50), wallP99Ms: at(passed, 99), coldMs: cold.cpuMs },
  evaluationsEach: evaluations / decisions,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
