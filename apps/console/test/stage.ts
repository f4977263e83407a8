// The console on a real bus, with bpjobd, nbjm, nbemm and nbrb played by the test: jobs are put on stage and
// changed, and the console sees what the real daemons would have told it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '@tapestry/bus';
import type { DetailLine, Init, JobRow, ListJobsRequest, TryRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  allIdentities,
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { definition } from '../src/service.ts';
import { type DeviceScene, type DeviceStage, playDevices } from './device-stage.ts';

export const USER = 'operator';
export const PASSWORD = 'a long enough secret';

export interface Stage {
  readonly url: string;
  readonly bus: TestBus;
  readonly nbjm: FakeService<'nbjm'>;
  /** Puts a job on stage or changes it, and tells it as bpjobd does. */
  put(job: Init<JobRow> & { jobId: bigint }): Promise<void>;
  /** Adds jobs without a word: as if they had been there before. */
  fill(jobs: readonly (Init<JobRow> & { jobId: bigint })[]): void;
  say(jobId: bigint, text: string, line?: Partial<DetailLine>): Promise<void>;
  addTry(jobId: bigint, row: Init<TryRow>): void;
  remove(jobId: bigint): Promise<void>;
  /** A change that is lost on the way to the console. */
  loseChange(job: Init<JobRow> & { jobId: bigint }): void;
  beat(
    service: 'bpjobd' | 'nbjm',
    beat: { pid: number; startedMs: bigint; ready?: boolean },
  ): Promise<void>;
  /** nbemm, nbrb and the ltid of media1 with these devices; once a stage. */
  playDevices(scene: DeviceScene): Promise<DeviceStage>;
  /** Forgets every job without a word. */
  empty(): void;
  /** Heartbeats of every daemon from now on, as of a healthy site. */
  keepBeating(): Promise<void>;
  logIn(): Promise<string>;
  stop(): Promise<void>;
}

type Row = Init<JobRow> & { jobId: bigint };

export async function startStage(env: Record<string, string> = {}): Promise<Stage> {
  const stateDir = mkdtempSync(join(tmpdir(), 'tapestry-console-'));
  const passwordFile = join(stateDir, 'passwords');
  writeFileSync(passwordFile, `${USER}:${PASSWORD}\n`, { mode: 0o400 });
  const bus = await startTestBus();
  const bpjobd = await bus.as({ service: 'bpjobd' });
  const nbjmBus = await bus.as({ service: 'nbjm' });
  const nbjm = await fakeService(nbjmBus, 'nbjm', {
    CancelJob: async () => ({}),
  });
  const archive = await playBpjobd(bpjobd);
  const daemon = await startTestDaemon(definition, bus, {
    stateDir,
    env: { CONSOLE_PASSWORD_FILE: passwordFile, ...env },
  });
  const url = daemon.httpUrl;
  const identities = new Map<string, Bus>();
  let beating: ReturnType<typeof setInterval> | undefined;
  return {
    ...{ url, bus, nbjm, ...archive },
    beat: (service, { ready = true, ...beat }) =>
      (service === 'bpjobd' ? bpjobd : nbjmBus).publish('Heartbeat', {
        ...{ service, host: '', ready, version: '0.1.0', rssBytes: 90_000_000n, ...beat },
      }),
    playDevices: (scene) => playDevices(bus, scene),
    keepBeating: async () => {
      clearInterval(beating);
      await beatAll(identities, bus);
      beating = setInterval(() => void beatAll(identities, bus).catch(() => undefined), 4_000);
    },
    logIn: () => logIn(url),
    stop: async () => {
      clearInterval(beating);
      await daemon.stop();
      await bus.stop();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

async function beatAll(open: Map<string, Bus>, bus: TestBus): Promise<void> {
  for (const identity of allIdentities(['media1', 'media2'])) {
    const { service, host = '' } = identity;
    if (service === 'cli' || service === 'console') continue;
    const own = open.get(`${service}/${host}`) ?? (await bus.as(identity));
    open.set(`${service}/${host}`, own);
    await own.publish('Heartbeat', {
      ...{ service, host, pid: 4_000 + service.length, ready: true, version: '0.1.0' },
      ...{ leader: host === '', rssBytes: BigInt(70_000_000 + service.length * 3_000_000) },
      startedMs: BigInt(Date.now() - 7_200_000),
    });
  }
}

type Archive = Pick<Stage, 'put' | 'fill' | 'say' | 'addTry' | 'remove' | 'loseChange' | 'empty'>;

/** bpjobd in memory: rows by id, a number for each change, and the same answers. */
async function playBpjobd(bus: Bus): Promise<Archive> {
  const rows = new Map<bigint, Row>();
  const lines = new Map<bigint, Partial<DetailLine>[]>();
  const tries = new Map<bigint, Init<TryRow>[]>();
  let ids: bigint[] | null = null;
  let sequence = 0n;
  const sorted = (): bigint[] => {
    ids ??= [...rows.keys()].sort((a, b) => (a < b ? 1 : -1));
    return ids;
  };
  const store = (row: Row): void => {
    if (!rows.has(row.jobId)) ids = null;
    rows.set(row.jobId, { ...rows.get(row.jobId), ...row });
  };
  await fakeService(bus, 'bpjobd', {
    ListJobs: async (request) => ({
      ...pageOf(rows, sorted(), request),
      ...{ sequence, summary: summaryOf(rows) },
    }),
    GetJob: async ({ jobId, afterLine }) => {
      const job = rows.get(jobId);
      if (job === undefined) throw new StatusError('jobMissing', `there is no job ${jobId}`);
      return {
        job,
        tries: tries.get(jobId) ?? [],
        lines: linesAfter(lines.get(jobId) ?? [], afterLine),
        sequence,
      };
    },
  });
  return {
    put: async (row) => {
      store(row);
      sequence += 1n;
      await bus.publish('JobView', { sequence, job: rows.get(row.jobId)! });
    },
    fill: (many) => {
      for (const row of many) store(row);
    },
    say: async (jobId, text, line = {}) => {
      const known = lines.get(jobId) ?? [];
      const number = BigInt(known.length + 1);
      const added = { severity: 'info', producer: 'bpbrm', atMs: BigInt(Date.now()), try: 1 };
      const told = { ...added, ...line, jobId, number, text };
      lines.set(jobId, [...known, told]);
      sequence += 1n;
      await bus.publish('JobView', { sequence, line: told });
    },
    addTry: (jobId, row) => {
      tries.set(jobId, [...(tries.get(jobId) ?? []), row]);
    },
    remove: async (jobId) => {
      rows.delete(jobId);
      ids = null;
      sequence += 1n;
      await bus.publish('JobView', { sequence, job: { jobId }, deleted: true });
    },
    empty: () => {
      rows.clear();
      ids = null;
    },
    loseChange: (row) => {
      store(row);
      sequence += 1n;
    },
  };
}

function pageOf(
  rows: ReadonlyMap<bigint, Row>,
  sorted: readonly bigint[],
  { jobIds, beforeJobId, limit, states, policy, client }: ListJobsRequest,
): { jobs: Row[]; more: boolean } {
  const found: Row[] = [];
  for (const jobId of sorted) {
    if (beforeJobId !== 0n && jobId >= beforeJobId) continue;
    const row = rows.get(jobId)!;
    if (jobIds.length > 0 && !jobIds.includes(jobId)) continue;
    if (states.length > 0 && !states.includes(row.state ?? 'JOB_STATE_QUEUED')) continue;
    if ((policy !== '' && row.policy !== policy) || (client !== '' && row.client !== client))
      continue;
    if (found.length === limit) return { jobs: found, more: true };
    found.push(row);
  }
  return { jobs: found, more: false };
}

/** In parts, as bpjobd does. */
function linesAfter(
  lines: readonly Partial<DetailLine>[],
  after: bigint,
): readonly Partial<DetailLine>[] {
  return lines.filter(({ number }) => number! > after).slice(0, 50);
}

function summaryOf(rows: ReadonlyMap<bigint, Row>): Record<string, bigint> {
  const labels = {
    ...{
      JOB_STATE_QUEUED: 'Queued',
      JOB_STATE_ACTIVE: 'Active',
      JOB_STATE_REQUEUED: 'Waiting-to-Retry',
    },
    ...{ JOB_STATE_SUSPENDED: 'Suspended', JOB_STATE_INCOMPLETE: 'Incomplete' },
  };
  const summary: Record<string, bigint> = {};
  for (const { state, status } of rows.values()) {
    const label =
      state === 'JOB_STATE_DONE'
        ? (['Successful', 'Partially Successful'][status ?? 0] ?? 'Failed')
        : labels[state ?? 'JOB_STATE_QUEUED'];
    summary[label] = (summary[label] ?? 0n) + 1n;
  }
  return summary;
}

/** The session cookie of a fresh login. */
export async function logIn(url: string, user = USER, password = PASSWORD): Promise<string> {
  const response = await postLogin(url, user, password);
  const cookie = response.headers.getSetCookie()[0];
  if (response.status !== 200 || cookie === undefined) throw new Error(`login: ${response.status}`);
  return cookie.split(';')[0]!;
}

export function postLogin(url: string, user: string, password: string): Promise<Response> {
  return fetch(`${url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user, password }),
  });
}
