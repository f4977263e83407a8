// bpdbm in this process, on a real bus and a real database, with nbjm and the agent played by the test. File lists are
// real ones, built from history.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import { buildFileList } from '@tapestry/catalog';
import { HistorySpool } from '@tapestry/catalog/spool';
import type { Fragment, ImagePlan, Init, ScheduleType } from '@tapestry/contracts';
import {
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  startTestPostgres,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, beforeAll } from 'vitest';
import { bpdbm } from '../src/daemon.ts';

export interface World {
  bus: TestBus;
  stateDir: string;
  databaseUrl: string;
  nbjm: FakeService<'nbjm'>;
  asNbjm: Client<'bpdbm'>;
  asAgent: Client<'bpdbm'>;
  cli: Client<'bpdbm'>;
  asBprd: Client<'bpdbm'>;
  /** Jobs that are over, for CheckAttempts. */
  over: Set<bigint>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Call it at the top of a test file. One world for its tests: they name their own clients and policies. */
export function withBpdbm(): World {
  const world = { over: new Set<bigint>() } as World;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    world.stateDir = mkdtempSync(join(tmpdir(), 'tapestry-bpdbm-'));
    const postgres = await startTestPostgres();
    world.databaseUrl = postgres.url();
    world.bus = await startTestBus();
    world.nbjm = await fakeService(await world.bus.as({ service: 'nbjm' }), 'nbjm', {
      CheckAttempts: async ({ attempts }) => ({
        states: attempts.map((attempt) => ({ attempt, live: !world.over.has(attempt.jobId) })),
      }),
    });
    world.asNbjm = (await world.bus.as({ service: 'nbjm' })).client('bpdbm');
    world.asAgent = (await world.bus.as({ service: 'ndmpagent', host: 'media1' })).client('bpdbm');
    world.cli = (await world.bus.as({ service: 'cli' })).client('bpdbm');
    world.asBprd = (await world.bus.as({ service: 'bprd' })).client('bpdbm');
    let running: { stop(): Promise<void> } | undefined;
    world.start = async () => {
      running = await startTestDaemon(bpdbm, world.bus, {
        stateDir: world.stateDir,
        env: { TAPESTRY_DATABASE_URL: postgres.url() },
      });
    };
    world.stop = async () => {
      await running?.stop();
      running = undefined;
    };
    await world.start();
    closers.push(
      () => world.stop(),
      () => world.bus.stop(),
      () => postgres.stop(),
    );
  });
  afterAll(async () => {
    for (const close of closers) await close();
    rmSync(world.stateDir, { recursive: true, force: true });
  });
  return world;
}

export interface FileList {
  readonly bytes: Buffer;
  readonly ref: { sha256: Uint8Array; sizeBytes: bigint; entries: bigint };
}

/** A file list of these paths (a folder ends with a slash), below `prefix`; a file's place is its number × 1024. */
export async function makeList(prefix: string, paths: readonly string[]): Promise<FileList> {
  const folder = mkdtempSync(join(tmpdir(), 'tapestry-list-'));
  try {
    const spool = await HistorySpool.create(join(folder, 'spool'));
    spool.appendFiles(
      paths.map((path, i) => ({
        ...{ path: Buffer.from(path), node: BigInt(i + 10), sizeBytes: 100n, mtimeS: 5 },
        ...{ type: path.endsWith('/') ? ('dir' as const) : ('file' as const) },
        fhInfo: BigInt((i + 1) * 1024),
      })),
    );
    await spool.close();
    const outPath = join(folder, 'list.parquet');
    const built = await buildFileList({ spoolPath: spool.path, outPath, prefix });
    const bytes = readFileSync(outPath);
    const sha256 = new Uint8Array(createHash('sha256').update(bytes).digest());
    return {
      bytes,
      ref: { sha256, sizeBytes: BigInt(bytes.length), entries: BigInt(built.entries) },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface Backup {
  readonly client: string;
  readonly path: string;
  readonly policy?: string;
  readonly type?: 'FULL' | 'INCR' | 'CINC';
  readonly retentionLevel?: number;
}

let jobs = 1_000n;

export function newAttempt() {
  jobs += 1n;
  return { jobId: jobs, try: 1, step: 0 };
}

export async function open(world: World, attempt: ReturnType<typeof newAttempt>, backup: Backup) {
  const { client, path, policy = 'p', type = 'FULL', retentionLevel = 3 } = backup;
  const { image } = await world.asNbjm.OpenImage({
    ...{ attempt, mediaServer: 'media1', storageUnit: 'unit1' },
    job: {
      ...{ policy, policyType: 'NDMP', schedule: type.toLowerCase(), client, owner: 'root' },
      scheduleType: `SCHEDULE_TYPE_${type}` as ScheduleType,
      backup: { path, pool: 'NetBackup', retentionLevel },
    },
  });
  return image!;
}

export async function put(
  url: string,
  ticket: string,
  bytes: Uint8Array,
  length = bytes.length,
): Promise<number> {
  const response = await fetch(url, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${ticket}`,
      'content-type': 'application/octet-stream',
      'content-length': String(length),
    },
    body: bytes as Uint8Array<ArrayBuffer>,
  });
  await response.arrayBuffer();
  return response.status;
}

export async function deliver(
  world: World,
  attempt: ReturnType<typeof newAttempt>,
  backupId: string,
  list: FileList,
): Promise<void> {
  const issued = await world.asAgent.IssueFileListTicket({ attempt, backupId, fileList: list.ref });
  const status = await put(issued.url, issued.ticket, list.bytes);
  if (status !== 204) throw new Error(`the file list was answered with ${status}`);
}

export function fragment(more: Init<Fragment> = {}): Init<Fragment> {
  return {
    ...{ copy: 1, number: 1, mediaId: 'A00001', mediaServer: 'media1', fileNumber: 1 },
    ...{ streamBeginBytes: 0n, streamEndBytes: 5_000n, digest: new Uint8Array([1]), ...more },
  };
}

export function resultOf(image: ImagePlan, list: FileList, more: object = {}) {
  return {
    ...{ backupId: image.backupId, bytes: 5_000n, files: 3n, elapsedMs: 9_000n, butype: 'dump' },
    ...{ fragments: [fragment()], fileList: list.ref },
    env: [{ name: 'DUMP_DATE', value: `date-of-${image.backupId}` }],
    ...more,
  };
}

/** A whole backup, from opened to valid. */
export async function backUp(
  world: World,
  backup: Backup,
  files: readonly string[],
): Promise<ImagePlan> {
  const attempt = newAttempt();
  const image = await open(world, attempt, backup);
  await world.asAgent.MarkUnsure({ attempt, backupId: image.backupId });
  const list = await makeList(backup.path, files);
  await deliver(world, attempt, image.backupId, list);
  await world.asNbjm.ValidateImage({ attempt, result: resultOf(image, list) });
  return image;
}
