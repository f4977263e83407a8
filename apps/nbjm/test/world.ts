// nbjm's neighbours for one test file: a real bus and database, and fakes that answer as the contracts say.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus, Client } from '@tapestry/bus';
import {
  codec,
  type Grant,
  type Init,
  type JobRow,
  type JobSpec,
  type ResourceRequest,
} from '@tapestry/contracts';
import type { RunningDaemon } from '@tapestry/runtime';
import { StatusError, toWire } from '@tapestry/status';
import {
  eventually,
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  startTestPostgres,
  type TestBus,
} from '@tapestry/testkit';
import { nbjm } from '../src/daemon.ts';

export const OK = toWire(new StatusError('ok', ''));

export const BACKUP: Init<JobSpec> = {
  ...{ type: 'JOB_TYPE_BACKUP', policy: 'nas', policyType: 'NDMP', schedule: 'full' },
  ...{ client: 'filer1', subtype: 1 },
  backup: { path: '/vol/home', pool: 'NetBackup', maxJobsPerPolicy: 4 },
};

export const refOf = ({ attempt, grantId, epoch }: Grant) => ({ attempt, grantId, epoch });

/** The result of a backup that went well. */
export const goodRun = (backupId: string) => ({
  status: OK,
  image: { backupId, bytes: 5_000n, files: 7n, fragments: [{ number: 1, mediaId: 'A00001' }] },
});

export interface World {
  readonly bus: TestBus;
  readonly dir: string;
  readonly publicKey: KeyObject;
  readonly nbrb: FakeService<'nbrb'>;
  readonly bpdbm: FakeService<'bpdbm'>;
  readonly nbpem: FakeService<'nbpem'>;
  readonly bpcd: FakeService<'bpcd'>;
  readonly bpbrm: FakeService<'bpbrm'>;
  /** The newest row of each job that was published. */
  readonly rows: ReadonlyMap<bigint, JobRow>;
  /** Connections as nbjm's callers. */
  readonly asNbpem: Client<'nbjm'>;
  readonly asNbrb: Client<'nbjm'>;
  readonly asBpbrm: Client<'nbjm'>;
  readonly asCli: Client<'nbjm'>;
  env(more?: Record<string, string>): Record<string, string>;
  start(more?: Record<string, string>): Promise<RunningDaemon>;
  grant(request: ResourceRequest, grantId: string): Grant;
  /** The row of a job once it looks so. */
  row(jobId: bigint, what: string, test: (row: JobRow) => boolean): Promise<JobRow>;
  stop(): Promise<void>;
}

export async function makeWorld(): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'tapestry-nbjm-'));
  const [bus, postgres] = await Promise.all([startTestBus(), startTestPostgres()]);
  const keys = generateKeyPairSync('ed25519');
  const keyFile = join(dir, 'ticket.pem');
  writeFileSync(keyFile, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const asNbrb = await bus.as({ service: 'nbrb' });
  const asNbpem = await bus.as({ service: 'nbpem' });
  const asBpbrm = await bus.as({ service: 'bpbrm', host: 'media1' });
  const nbrb = await fakeNbrb(asNbrb);
  const bpdbm = await fakeService(await bus.as({ service: 'bpdbm' }), 'bpdbm', {
    OpenImage: async ({ attempt }) => ({
      image: { backupId: `filer1_${attempt?.jobId}`, butype: 'tar' },
    }),
    ValidateImage: async () => ({}),
    AbandonImage: async () => ({}),
  });
  const nbpem = await fakeService(asNbpem, 'nbpem', { TryEnded: async () => ({ retryAtMs: 0n }) });
  const bpcd = await fakeService(await bus.as({ service: 'bpcd', host: 'media1' }), 'bpcd', {
    Start: async () => ({}),
  });
  const bpbrm = await fakeService(asBpbrm, 'bpbrm', {
    CancelRun: async () => ({}),
    ListRuns: noRuns,
  });
  const rows = await listen(await bus.as({ service: 'bpjobd' }));
  const env = (more: Record<string, string> = {}) => ({
    TAPESTRY_DATABASE_URL: postgres.url(),
    NBJM_TICKET_KEY_FILE: keyFile,
    ...more,
  });
  const row = (jobId: bigint, what: string, test: (row: JobRow) => boolean) =>
    eventually(`job ${jobId} ${what}`, () => {
      const found = rows.get(jobId);
      return found !== undefined && test(found) ? found : undefined;
    });
  return {
    ...{ bus, dir, publicKey: keys.publicKey, nbrb, bpdbm, nbpem, bpcd, bpbrm, rows, env, row },
    asNbpem: asNbpem.client('nbjm'),
    asNbrb: asNbrb.client('nbjm'),
    asBpbrm: asBpbrm.client('nbjm'),
    asCli: (await bus.as({ service: 'cli' })).client('nbjm'),
    start: (more) => startTestDaemon(nbjm, bus, { env: env(more), stateDir: dir }),
    grant: grantFor,
    stop: async () => {
      await bus.stop();
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A media server that cannot say which runs it has: nothing may follow from that. */
export async function noRuns(): Promise<never> {
  throw new StatusError('cannotConnect', 'planted');
}

async function fakeNbrb(bus: Bus): Promise<FakeService<'nbrb'>> {
  return await fakeService(bus, 'nbrb', {
    RequestResources: async () => ({}),
    WithdrawRequest: async () => ({}),
    ReleaseGrant: async () => ({}),
  });
}

async function listen(bpjobd: Bus): Promise<Map<bigint, JobRow>> {
  const rows = new Map<bigint, JobRow>();
  await bpjobd.consume('JobChanged', async ({ job }) => {
    if (job === null) return;
    const known = rows.get(job.jobId);
    if (known === undefined || known.version < job.version) rows.set(job.jobId, job);
  });
  return rows;
}

function grantFor(request: ResourceRequest, grantId: string): Grant {
  const grant = codec('Grant');
  return grant.decode(
    grant.encode({
      ...{ grantId, attempt: request.attempt, epoch: 1n, mediaServer: 'media1' },
      ...{ storageUnit: 'stu1', mode: request.mode },
      ...{ drive: { name: 'drive1', index: 1 }, volume: { mediaId: 'A00001' } },
    }),
  );
}
