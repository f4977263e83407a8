// A whole small site for end-to-end tests: a system with every daemon as its own process, a filer, a virtual library,
// and the questions that a test asks of it.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus } from '@tapestry/bus';
import type { Services } from '@tapestry/contracts';
import { readSecret } from '@tapestry/runtime';
import { createVirtualLibrary, virtualDrivePath } from '@tapestry/storage';
import { eventually, testLog } from '@tapestry/testkit';
import { type Filer, type FilerOptions, startFiler } from '../../demo/filer.ts';
import { type RunningSystem, startSystem } from '../../launcher/system.ts';

export const HOST = 'media1';
export const POLICY = 'nas';

type JobReply = Services['bpjobd']['GetJob']['reply'];
export type JobRow = NonNullable<JobReply['job']>;

export interface SiteOptions {
  readonly drives?: number;
  readonly cartridges?: number;
  readonly capacityBytes?: number;
  /** The first drive hangs on the filer, and the storage unit is of that. */
  readonly filerHasDrive?: boolean;
  /** Streams that may share a drive, by storage unit and schedules; 1 when left out. */
  readonly mpx?: number;
  /** More environment for single daemons. */
  readonly env?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface Site {
  readonly dir: string;
  /** What the filer exports as /data and /restore. */
  readonly source: string;
  readonly restored: string;
  readonly system: RunningSystem;
  readonly bus: Bus;
  filer: Filer;
  /** Starts the filer again on its port after it was stopped or killed. */
  restartFiler(): Promise<void>;
  backup(options?: { policy?: string; schedule?: string }): Promise<bigint>;
  restore(paths: readonly string[], to?: { from: string; to: string }): Promise<bigint>;
  job(jobId: bigint): Promise<JobReply>;
  /** Waits for the end of a job and gives its row; on timeout the error has the job's details. */
  ended(jobId: bigint, timeoutMs?: number): Promise<JobRow>;
  waitFor(
    jobId: bigint,
    what: string,
    test: (job: JobRow) => boolean,
    timeoutMs?: number,
  ): Promise<JobRow>;
  details(jobId: bigint): Promise<string>;
  /** Fails unless no drive, volume, grant or provisional image is held by anybody. */
  nothingHeld(): Promise<void>;
  stop(): Promise<void>;
}

const JOB_MS = 120_000;

export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const dir = mkdtempSync(join(tmpdir(), 'tapestry-site-'));
  // Passable, so that root's PostgreSQL (which runs as nobody) keeps its data in here and not below /var/lib.
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'system'), { mode: 0o755 });
  const source = join(dir, 'data');
  const restored = join(dir, 'restored');
  for (const folder of [source, restored]) mkdirSync(folder, { recursive: true });
  const exports = { data: source, restore: restored };
  const libraryDir = await makeLibrary(dir, options);
  const flags = options.filerHasDrive ? ['--library', libraryDir] : [];
  const [system, firstFiler] = await Promise.all([
    startSystem({ stateDir: join(dir, 'system'), host: HOST, env: options.env ?? {} }),
    startFiler({ dir: join(dir, 'filer'), exports, flags }),
  ]);
  try {
    await system.waitReady();
    const bus = await connectBus({
      identity: { service: 'cli' },
      url: system.natsUrl,
      password: readSecret(join(system.layout.secretsDir, 'bus/cli')),
      log: testLog,
    });
    await configure(bus, dir, firstFiler, options);
    return makeSite({ dir, source, restored, system, bus, filer: firstFiler }, { exports, flags });
  } catch (error) {
    await firstFiler.stop();
    await system.stop();
    throw error;
  }
}

function makeSite(
  parts: Pick<Site, 'dir' | 'source' | 'restored' | 'system' | 'bus' | 'filer'>,
  start: Pick<FilerOptions, 'exports' | 'flags'>,
): Site {
  const { dir, system, bus } = parts;
  const site: Site = {
    ...parts,
    restartFiler: async () => {
      await site.filer.stop();
      const { port, password } = site.filer;
      site.filer = await startFiler({ dir: join(dir, 'filer'), ...start, port, password });
    },
    ...questions(bus),
    stop: async () => {
      await bus.close();
      await site.filer.stop();
      await system.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return site;
}

async function makeLibrary(dir: string, options: SiteOptions): Promise<string> {
  const libraryDir = join(dir, 'library');
  const { cartridges: count = 8, capacityBytes = 64 * 1024 ** 3, drives = 2 } = options;
  const cartridges = Array.from({ length: count }, (_e, i) => ({
    barcode: `TAP${String(i + 1).padStart(3, '0')}L8`,
    capacityBytes,
  }));
  await createVirtualLibrary({ dir: libraryDir, drives, slots: 10, cartridges });
  return libraryDir;
}

async function configure(bus: Bus, dir: string, filer: Filer, options: SiteOptions): Promise<void> {
  const libraryDir = join(dir, 'library');
  const { drives = 2, filerHasDrive = false } = options;
  const emm = bus.client('nbemm');
  const { host: address, port, user, password } = filer;
  await emm.AddNdmpHost({ name: 'filer1', address, port, user, password, auth: 'md5' });
  const robot = { number: 0, type: 'tld', controlHost: HOST, path: `vtl:${libraryDir}` };
  await emm.AddRobot({ robot });
  for (let n = 1; n <= drives; n += 1) {
    const isFilers = filerHasDrive && n === 1;
    const path = isFilers ? 'drive0' : virtualDrivePath(libraryDir, n - 1);
    const ndmpHost = isFilers ? 'filer1' : '';
    const place = { mediaServer: HOST, robotNumber: 0, robotDrive: n };
    await emm.AddDrive({
      drive: { name: `drive${n}`, index: n - 1, density: 'hcart', path, ndmpHost, ...place },
    });
  }
  await emm.AddPool({ name: 'Test' });
  await emm.InventoryRobot({ robotNumber: 0, pool: 'Test', mediaType: 'hcart' });
  const unit = {
    label: 'tape1',
    ...(filerHasDrive ? { type: 'NDMP', ndmpHost: 'filer1' } : { type: 'Media Manager' }),
    mediaServer: HOST,
    density: 'hcart',
    robotType: 'tld',
  };
  await emm.AddStorageUnit({
    unit: { ...unit, robotNumber: 0, maxDrives: drives, maxMpx: options.mpx ?? 1 },
  });
  await addPolicy(bus, POLICY, ['/data'], { mpx: options.mpx ?? 1 });
}

export async function addPolicy(
  bus: Bus,
  name: string,
  includes: readonly string[],
  extra: { client?: string; frequencyS?: number; open?: boolean; mpx?: number } = {},
): Promise<void> {
  const db = bus.client('bpdbm');
  const { policy } = await db.CreatePolicy({ name });
  const windows = Array.from({ length: 7 }, () => ({
    startS: 0,
    durationS: extra.open ? 86_400 : 0,
  }));
  const schedule = {
    retentionLevel: 1,
    windows,
    frequencyS: extra.frequencyS ?? 604_800,
    multiplexing: extra.mpx ?? 1,
  };
  await db.UpdatePolicy({
    policy: {
      ...policy,
      ...{ type: 'NDMP', active: true, residence: 'tape1', pool: 'Test' },
      clients: [extra.client ?? 'filer1'],
      includes: [...includes],
      schedules: [
        { ...schedule, name: 'full', type: 'SCHEDULE_TYPE_FULL' },
        { ...schedule, name: 'incr', type: 'SCHEDULE_TYPE_INCR', windows: windows.map(() => ({})) },
      ],
    },
  });
}

function questions(
  bus: Bus,
): Omit<
  Site,
  'dir' | 'source' | 'restored' | 'system' | 'bus' | 'filer' | 'restartFiler' | 'stop'
> {
  const bprd = bus.client('bprd');
  const jobs = bus.client('bpjobd');
  const requester = { user: 'test', host: 'test' };
  const job = (jobId: bigint): Promise<JobReply> => jobs.GetJob({ jobId });
  const details = async (jobId: bigint): Promise<string> =>
    (await job(jobId)).lines.map(({ producer, text }) => `${producer}: ${text}`).join('\n');
  const waitFor = async (
    jobId: bigint,
    what: string,
    test: (row: JobRow) => boolean,
    timeoutMs = JOB_MS,
  ): Promise<JobRow> => {
    let last: JobRow | undefined;
    try {
      return await eventually(
        what,
        async () => {
          last = (await job(jobId)).job ?? undefined;
          return last !== undefined && test(last) ? last : undefined;
        },
        timeoutMs,
      );
    } catch (error) {
      const state = `${last?.state} status ${last?.status} ${last?.operation}: ${last?.stateDetails}`;
      const told = await details(jobId).catch(() => '');
      throw new Error(`job ${jobId} (${state}) not ${what}\n${told}`, { cause: error });
    }
  };
  return {
    job,
    details,
    waitFor,
    ended: (jobId, timeoutMs) =>
      waitFor(jobId, 'done', (row) => row.state === 'JOB_STATE_DONE', timeoutMs),
    backup: async ({ policy = POLICY, schedule = 'full' } = {}) => {
      const requestId = `test-${Math.random()}`;
      const reply = await bprd.SubmitBackup({
        requestId,
        requester,
        policy,
        schedule,
        client: 'filer1',
      });
      return reply.jobIds[0]!;
    },
    restore: async (paths, rename = { from: '/data', to: '/restore' }) => {
      const request = {
        requestId: `test-${Math.random()}`,
        requester,
        client: 'filer1',
        renames: [{ from: Buffer.from(rename.from), to: Buffer.from(rename.to) }],
        paths: paths.map((path) => Buffer.from(path)),
      };
      return (await bprd.SubmitRestore(request)).jobId;
    },
    nothingHeld: () => nothingHeld(bus),
  };
}

async function nothingHeld(bus: Bus): Promise<void> {
  await eventually(
    'no grant, drive, volume or provisional image held',
    async () => {
      const { grants, unknown, waiting } = await bus.client('nbrb').Dump({});
      const { images } = await bus.client('bpdbm').ListImages({ provisionalToo: true });
      const held = [
        ...grants.map(({ grant, state }) => `grant of ${grant?.drive?.name} ${state}`),
        ...unknown.map(({ name, reason }) => `${name} unknown: ${reason}`),
        ...waiting.map(({ reasons }) => `waiting: ${reasons.join('; ')}`),
        ...images
          .filter(({ expirationS }) => expirationS === 0n)
          .map(({ backupId }) => `image ${backupId}`),
      ];
      if (held.length > 0) throw new Error(held.join(', '));
      return true;
    },
    60_000,
  );
}

/** One file of `bytes` that no compression could shrink. */
export function writeNoise(file: string, bytes: number): void {
  const block = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < block.length; at += 4)
    block.writeUInt32LE((Math.random() * 2 ** 32) >>> 0, at);
  writeFileSync(file, '');
  for (let left = bytes; left > 0; left -= block.length) {
    writeFileSync(file, block.subarray(0, Math.min(left, block.length)), { flag: 'a' });
  }
}
