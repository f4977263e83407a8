// nbrb in this process, on a real bus and a real database, with nbjm, nbemm and two media servers played by the test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import type { EvaluateRequest, Grant, Init, MountRow } from '@tapestry/contracts';
import type { RunningDaemon } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import { openStore, type Store } from '@tapestry/store';
import {
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  startTestPostgres,
  type TestBus,
  testLog,
} from '@tapestry/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { nbrb } from '../src/daemon.ts';

export interface World {
  bus: TestBus;
  postgres: Awaited<ReturnType<typeof startTestPostgres>>;
  /** For looking into, and emptying, the database. */
  store: Store<unknown>;
  stateDir: string;
  daemon: RunningDaemon | undefined;
  asNbjm: Client<'nbrb'>;
  asLtid: Client<'nbrb'>;
  asBptm: Client<'nbrb'>;
  asNbemm: Client<'nbrb'>;
  cli: Client<'nbrb'>;
  nbjm: FakeService<'nbjm'>;
  nbemm: FakeService<'nbemm'>;
  ltid: FakeService<'ltid'>;
  /** What the fake EMM has. */
  drives: string[];
  volumes: string[];
  needsAssign: boolean;
  maxMpx: number;
  /** What the fake ltid of media1 lists. */
  mounts: Init<MountRow>[];
  /** Jobs that are over, for CheckAttempts. */
  over: Set<bigint>;
  start(env?: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
  /** The nth grant that nbjm was told of. */
  granted(count: number): Promise<Grant>;
}

/** A world for a test file; each test has an empty database, neighbours and a daemon of its own. */
export function withNbrb(): World {
  const world = {} as World;
  beforeAll(async () => {
    world.postgres = await startTestPostgres();
    world.store = await openStore({
      ...{ connection: { url: world.postgres.url() }, schema: 'fixture', migrations: {} },
      log: testLog,
    });
    world.bus = await startTestBus();
    world.asNbjm = (await world.bus.as({ service: 'nbjm' })).client('nbrb');
    world.asLtid = (await world.bus.as({ service: 'ltid', host: 'media1' })).client('nbrb');
    world.asBptm = (await world.bus.as({ service: 'bptm', host: 'media1' })).client('nbrb');
    world.asNbemm = (await world.bus.as({ service: 'nbemm' })).client('nbrb');
    world.cli = (await world.bus.as({ service: 'cli' })).client('nbrb');
  });
  beforeEach(async () => {
    await sql`drop schema if exists nbrb cascade`.execute(world.store.db);
    Object.assign(world, {
      ...{
        drives: ['d0'],
        volumes: ['A00001'],
        needsAssign: false,
        maxMpx: 1,
        mounts: [],
        over: new Set(),
      },
      stateDir: mkdtempSync(join(tmpdir(), 'tapestry-nbrb-')),
    });
    await fakeNeighbours(world);
    world.start = async (env = {}) => {
      world.daemon = await startTestDaemon(nbrb, world.bus, {
        stateDir: world.stateDir,
        env: { TAPESTRY_DATABASE_URL: world.postgres.url(), ...env },
      });
    };
    world.stop = async () => {
      await world.daemon?.stop();
      world.daemon = undefined;
    };
    world.granted = async (count) => {
      const { grant } = await world.nbjm.waitFor('ResourcesGranted', { count });
      return grant!;
    };
  });
  afterEach(async () => {
    await world.stop();
    await Promise.all([world.nbjm.stop(), world.nbemm.stop(), world.ltid.stop()]);
    rmSync(world.stateDir, { recursive: true });
  });
  afterAll(async () => {
    await world.bus.stop();
    await world.store.close();
    await world.postgres.stop();
  });
  return world;
}

async function fakeNeighbours(world: World): Promise<void> {
  const nothing = async () => ({});
  world.nbjm = await fakeService(await world.bus.as({ service: 'nbjm' }), 'nbjm', {
    ...{ ResourcesGranted: nothing, ResourcesWaiting: nothing, ResourcesRefused: nothing },
    GrantLost: nothing,
    CheckAttempts: async ({ attempts }) => ({
      states: attempts.map((attempt) => ({ attempt, live: !world.over.has(attempt.jobId) })),
    }),
  });
  world.nbemm = await fakeService(await world.bus.as({ service: 'nbemm' }), 'nbemm', {
    Evaluate: async (request) => evaluate(world, request),
    AssignVolume: async ({ mediaId, pool }) => ({ volume: { mediaId, pool, assignedMs: 7n } }),
    UnassignVolume: nothing,
  });
  const host = { service: 'ltid', host: 'media1' };
  world.ltid = await fakeService(await world.bus.as(host), 'ltid', {
    ListMounts: async () => ({ mounts: world.mounts }),
  });
}

export function evaluate(world: World, { request, inUseMediaIds, nextInDrive }: EvaluateRequest) {
  if (request?.pool === 'Nowhere') {
    const status = { code: 167, name: 'poolMissing', detail: 'no pool', context: {} };
    return { refusal: status };
  }
  if (request === null) throw new StatusError('invalidRequest', 'no request');
  const { mediaId, avoidMediaIds } = request;
  const last = new Set([...avoidMediaIds, ...inUseMediaIds]);
  const all = mediaId === '' ? world.volumes : [mediaId];
  const volumes = all.filter((each) => nextInDrive === '' || !avoidMediaIds.includes(each));
  const ordered = [...volumes].sort((a, b) => Number(last.has(a)) - Number(last.has(b)));
  const option = {
    ...{ storageUnit: 'unit1', mediaServer: 'media1', maxDrives: 9, maxMpx: world.maxMpx },
    ...{ maxFragmentBytes: 100n, blockSizeBytes: 4_096 },
    drives: world.drives.map((name) => ({ name, mediaServer: 'media1' })),
    volumes: ordered.map((each) => ({
      ...{ volume: { mediaId: each }, version: 1n, needsAssign: world.needsAssign },
    })),
  };
  return { choices: [option] };
}

export function attempt(jobId: number, tryNumber = 1) {
  return { jobId: BigInt(jobId), try: tryNumber, step: 0 };
}

export function request(jobId: number, more: object = {}) {
  return {
    ...{ attempt: attempt(jobId), mode: 'DRIVE_MODE_WRITE' as const, storageUnit: 'unit1' },
    ...{ requestedMs: BigInt(jobId), client: 'filer1', policy: 'p', ...more },
  };
}

export function ref(grant: Grant) {
  return { attempt: grant.attempt, grantId: grant.grantId, epoch: grant.epoch };
}

export function mounted(grant: Grant): Init<MountRow> {
  const { drive, volume } = grant;
  return { drive: drive?.name, mediaId: volume?.mediaId, holder: ref(grant), state: 'mounted' };
}
