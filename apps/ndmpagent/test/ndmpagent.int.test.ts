import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import {
  type GrantRef,
  type Init,
  type SessionState,
  type StartBackupRequest,
  sealCredential,
} from '@tapestry/contracts';
import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { ndmpagent } from '../src/daemon.ts';
import {
  FILER_PASSWORD,
  FILER_USER,
  type FileListServer,
  type FilerProcess,
  type Mover,
  startFileListServer,
  startFiler,
  startMover,
} from './agent-kit.ts';

let bus: TestBus;
let agent: Client<'ndmpagent'>;
let cli: Client<'ndmpagent'>;
let bpdbm: Awaited<ReturnType<typeof fakeService<'bpdbm'>>>;
let bptm: Awaited<ReturnType<typeof fakeService<'bptm'>>>;
let lists: FileListServer;
let root: string;
let data: string;
let filer: FilerProcess;
let mover: Mover;
let daemon: Awaited<ReturnType<typeof startTestDaemon>>;
let password = FILER_PASSWORD;
let job = 500n;

beforeAll(async () => {
  bus = await startTestBus({ hosts: ['media1'] });
  agent = (await bus.as({ service: 'bpbrm', host: 'media1' })).client('ndmpagent', 'media1');
  cli = (await bus.as({ service: 'cli' })).client('ndmpagent', 'media1');
  lists = await startFileListServer();
  await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    GetNdmpCredential: async ({ publicKey }) => ({
      ...{ address: '127.0.0.1', port: filer.port, auth: 'md5' },
      ...sealCredential({ user: FILER_USER, password }, publicKey),
    }),
  });
  bpdbm = await fakeService(await bus.as({ service: 'bpdbm' }), 'bpdbm', {
    MarkUnsure: async () => ({}),
    IssueFileListTicket: async ({ fileList }) => ({
      ...{ url: lists.url, ticket: 'ticket-1' },
      delivered: lists.files.has(Buffer.from(fileList!.sha256).toString('hex')),
    }),
  });
  bptm = await fakeService(await bus.as({ service: 'bptm', host: 'media1' }), 'bptm');
});
afterAll(async () => {
  lists.close();
  await bus.stop();
});

beforeEach(async () => {
  job += 1n;
  password = FILER_PASSWORD;
  root = mkdtempSync(join(tmpdir(), 'ndmpagent-'));
  data = join(root, 'data');
  mkdirSync(join(data, 'sub'), { recursive: true });
  writeFileSync(join(data, 'hello.txt'), 'hello');
  writeFileSync(join(data, 'sub', 'big.bin'), Buffer.alloc(300_000, 7));
  [filer, mover, daemon] = await Promise.all([startFiler(root, data), startMover(), start()]);
});
afterEach(async () => {
  mover.close();
  await daemon.stop();
  await filer.stop();
  rmSync(root, { recursive: true, force: true });
});

const start = () =>
  startTestDaemon(ndmpagent, bus, {
    stateDir: root,
    env: { NDMPAGENT_POLL_EVERY_MS: '500', NDMPAGENT_ABORT_TIMEOUT_MS: '2000' },
  });

const ref = (step = 0): Init<GrantRef> => ({
  ...{ attempt: { jobId: job, try: 1, step }, grantId: `g${job}`, epoch: job * 10n + BigInt(step) },
});

const backup = (more: Init<StartBackupRequest> = {}): Init<StartBackupRequest> => ({
  grant: ref(),
  job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/data' } },
  image: { backupId: `filer_${job}`, level: 0, butype: 'tar' },
  moverAddresses: [{ host: '127.0.0.1', port: mover.port }],
  ...more,
});

async function until(
  phase: SessionState['phase'],
  grant: Init<GrantRef> = ref(),
): Promise<SessionState> {
  return eventually(
    phase,
    async () => {
      const state = await agent.WatchSession({ grant, afterVersion: 0n, waitMs: 0 });
      if (state.phase === phase) return state;
      if (state.phase === 'SESSION_PHASE_FAILED') throw new Error(state.status?.detail);
      return undefined;
    },
    30_000,
  );
}

test('a backup ends with counts, environment and a delivered file list', async () => {
  lists.refuse(1, 503);
  await agent.StartBackup(backup());
  await agent.StartBackup(backup());
  const done = await until('SESSION_PHASE_DONE');
  const image = await mover.received;
  expect(done.haltedBytes).toBe(BigInt(image.length));
  expect(done.butype).toBe('tar');
  expect(done.env.find(({ name }) => name === 'DUMP_DATE')?.value).toMatch(/^\d+$/);
  expect(done.files).toBe(4n);
  const digest = Buffer.from(done.fileList!.sha256).toString('hex');
  expect(lists.files.get(digest)?.length).toBe(Number(done.fileList?.sizeBytes));
  expect(bpdbm.requests('MarkUnsure')).toHaveLength(0);

  writeFileSync(join(data, 'hello.txt'), 'changed');
  rmSync(join(data, 'sub'), { recursive: true });
  bptm.answer({
    SendRange: async ({ offset, length }) => {
      const socket = await restoring.connected;
      const end = length > 1_000_000_000n ? image.length : Number(offset + length);
      socket.write(image.subarray(Number(offset), end));
      return {};
    },
  });
  const restoring = await startMover();
  const path = (text: string) => Buffer.from(text);
  const entry = (text: string) => ({ originalPath: path(text), destinationPath: path(text) });
  await agent.StartRestore({
    grant: ref(1),
    restoreStep: 0,
    moverAddresses: [{ host: '127.0.0.1', port: restoring.port }],
    job: {
      type: 'JOB_TYPE_RESTORE',
      client: 'filer',
      restore: {
        destClient: 'filer',
        steps: [
          {
            ...{ backupId: `filer_${job}`, path: '/data', butype: 'tar', env: done.env },
            expectedFiles: 3n,
            entries: [
              { ...entry('/data/hello.txt'), fhInfo: 0xffff_ffff_ffff_ffffn },
              { ...entry('/data/sub'), directory: true, fhInfo: 0xffff_ffff_ffff_ffffn },
            ],
          },
        ],
      },
    },
  });
  const restored = await until('SESSION_PHASE_DONE', ref(1));
  restoring.close();
  expect(restored.filesFailed).toBe(0n);
  expect(readFileSync(join(data, 'hello.txt'), 'utf8')).toBe('hello');
  expect(readFileSync(join(data, 'sub', 'big.bin')).length).toBe(300_000);
});

test('a refused log-in names the host and what to do', async () => {
  password = 'wrong';
  await agent.StartBackup(backup());
  const failed = await eventually('the end', async () => {
    const state = await agent.WatchSession({ grant: ref(), afterVersion: 0n, waitMs: 0 });
    return state.phase === 'SESSION_PHASE_FAILED' ? state : undefined;
  });
  expect(failed.status).toMatchObject({ code: 99 });
  expect(failed.status?.detail).toMatch(/filer refused.*tpconfig/);
  expect(failed.status?.detail).not.toMatch(/wrong/);
});

test('a filer that does not listen is refused with 58', async () => {
  await filer.stop();
  await agent.StartBackup(backup());
  const failed = await failure();
  expect(failed.status?.code).toBe(58);
});

test('a path that is not there ends with 99 and the filer’s own words', async () => {
  const job = { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/nowhere' } } as const;
  await agent.StartBackup(backup({ job }));
  const failed = await failure();
  expect(failed.status?.code).toBe(99);
  expect(failed.status?.detail).toMatch(/nowhere/);
});

async function failure(): Promise<SessionState> {
  return eventually('the end', async () => {
    const state = await agent.WatchSession({ grant: ref(), afterVersion: 0n, waitMs: 0 });
    return state.phase === 'SESSION_PHASE_FAILED' ? state : undefined;
  });
}

/** Big enough that a mover that takes nothing holds the filer in the middle. */
function fill(): void {
  writeFileSync(join(data, 'huge.bin'), Buffer.alloc(30_000_000, 1));
}

test('a filer that dies in the middle is a failure, though its stream ends in order', async () => {
  fill();
  const slow = await startMover(true);
  await agent.StartBackup(backup({ moverAddresses: [{ host: '127.0.0.1', port: slow.port }] }));
  await until('SESSION_PHASE_MOVING');
  await slow.connected;
  await filer.stop();
  const failed = await failure();
  slow.close();
  expect(failed.status?.code).toBe(99);
  expect(failed.status?.detail).toMatch(/lost/);
});

test('an aborted session tells the filer to stop', async () => {
  fill();
  const slow = await startMover(true);
  await agent.StartBackup(backup({ moverAddresses: [{ host: '127.0.0.1', port: slow.port }] }));
  await until('SESSION_PHASE_MOVING');
  const socket = await slow.connected;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const reason = { code: 150, name: 'cancelled', detail: 'ended by the operator' };
  await agent.AbortSession({ grant: ref(), reason });
  expect((await failure()).status?.code).toBe(150);
  socket.resume();
  await closed;
  slow.close();
});

test('after a restart a file list is still made, a data phase is lost', async () => {
  lists.refuse(1_000, 503);
  await agent.StartBackup(backup());
  await until('SESSION_PHASE_CATALOGING');
  await daemon.stop();
  lists.refuse(0, 503);
  daemon = await start();
  expect((await until('SESSION_PHASE_DONE')).fileList?.entries).toBe(4n);

  fill();
  job += 1n;
  const slow = await startMover(true);
  await agent.StartBackup(backup({ moverAddresses: [{ host: '127.0.0.1', port: slow.port }] }));
  await until('SESSION_PHASE_MOVING');
  await daemon.stop();
  daemon = await start();
  const failed = await failure();
  slow.close();
  expect(failed.status?.detail).toMatch(/restarted/);
});

test('a probe tells what the filer is', async () => {
  const request = { address: '127.0.0.1', port: filer.port, user: FILER_USER };
  const { facts } = await cli.Probe({ ...request, password: FILER_PASSWORD });
  expect(facts).toContainEqual({ group: 'server', name: 'vendor', value: 'Tapestry' });
  expect(facts.some(({ group, name }) => group === 'backup type' && name === 'tar')).toBe(true);
  const wrong = cli.Probe({ ...request, password: 'x' });
  await expect(wrong).rejects.toMatchObject({ status: 'ndmpFailed' });
});
