import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GrantRef, Init, SessionState, StartBackupRequest } from '@tapestry/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  FILER_PASSWORD,
  FILER_USER,
  type FilerProcess,
  type Mover,
  startFiler,
  startMover,
} from './agent-kit.ts';
import {
  type AgentWorld,
  failureOf,
  grantOf,
  serveImage,
  startAgent,
  startAgentWorld,
  untilPhase,
} from './agent-world.ts';

let world: AgentWorld;
let root: string;
let data: string;
let filer: FilerProcess;
let mover: Mover;
let daemon: Awaited<ReturnType<typeof startAgent>>;
let job = 500n;

beforeAll(async () => {
  world = await startAgentWorld();
});
afterAll(() => world.stop());

beforeEach(async () => {
  job += 1n;
  root = mkdtempSync(join(tmpdir(), 'ndmpagent-'));
  data = join(root, 'data');
  mkdirSync(join(data, 'sub'), { recursive: true });
  writeFileSync(join(data, 'hello.txt'), 'hello');
  writeFileSync(join(data, 'sub', 'big.bin'), Buffer.alloc(300_000, 7));
  [filer, mover, daemon] = await Promise.all([startFiler(root, data), startMover(), start()]);
  Object.assign(world.access, { port: filer.port, password: FILER_PASSWORD });
});
afterEach(async () => {
  mover.close();
  await daemon.stop();
  await filer.stop();
  rmSync(root, { recursive: true, force: true });
});

const start = () => startAgent(world, root);
const ref = (step = 0): Init<GrantRef> => grantOf(job, step);

const backup = (more: Init<StartBackupRequest> = {}): Init<StartBackupRequest> => ({
  grant: ref(),
  job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/data' } },
  image: { backupId: `filer_${job}`, level: 0, butype: 'tar' },
  moverAddresses: [{ host: '127.0.0.1', port: mover.port }],
  ...more,
});

const until = (phase: SessionState['phase'], grant = ref()) => untilPhase(world, phase, grant);
const failure = () => failureOf(world, ref());

test('a backup ends with counts, environment and a delivered file list', async () => {
  world.lists.refuse(1, 503);
  await world.agent.StartBackup(backup());
  await world.agent.StartBackup(backup());
  const done = await until('SESSION_PHASE_DONE');
  const image = await mover.received;
  expect(done.haltedBytes).toBe(BigInt(image.length));
  expect(done.butype).toBe('tar');
  expect(done.env.find(({ name }) => name === 'DUMP_DATE')?.value).toMatch(/^\d+$/);
  expect(done.files).toBe(4n);
  const digest = Buffer.from(done.fileList!.sha256).toString('hex');
  expect(world.lists.files.get(digest)?.length).toBe(Number(done.fileList?.sizeBytes));
  expect(world.bpdbm.requests('MarkUnsure')).toHaveLength(0);

  writeFileSync(join(data, 'hello.txt'), 'changed');
  rmSync(join(data, 'sub'), { recursive: true });
  const restoring = await startMover();
  serveImage(world, image, restoring);
  const path = (text: string) => Buffer.from(text);
  const entry = (text: string) => ({ originalPath: path(text), destinationPath: path(text) });
  await world.agent.StartRestore({
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
  world.access.password = 'wrong';
  await world.agent.StartBackup(backup());
  const failed = await failure();
  expect(failed.status).toMatchObject({ code: 99 });
  expect(failed.status?.detail).toMatch(/filer refused.*tpconfig/);
  expect(failed.status?.detail).not.toMatch(/wrong/);
});

test('a filer that does not listen is refused with 58', async () => {
  await filer.stop();
  await world.agent.StartBackup(backup());
  const failed = await failure();
  expect(failed.status?.code).toBe(58);
});

test('a path that is not there ends with 99 and the filer’s own words', async () => {
  const job = { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/nowhere' } } as const;
  await world.agent.StartBackup(backup({ job }));
  const failed = await failure();
  expect(failed.status?.code).toBe(99);
  expect(failed.status?.detail).toMatch(/nowhere/);
});

/** Big enough that a mover that takes nothing holds the filer in the middle. */
function fill(): void {
  writeFileSync(join(data, 'huge.bin'), Buffer.alloc(30_000_000, 1));
}

test('a filer that dies in the middle is a failure, though its stream ends in order', async () => {
  fill();
  const slow = await startMover(true);
  await world.agent.StartBackup(
    backup({ moverAddresses: [{ host: '127.0.0.1', port: slow.port }] }),
  );
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
  await world.agent.StartBackup(
    backup({ moverAddresses: [{ host: '127.0.0.1', port: slow.port }] }),
  );
  await until('SESSION_PHASE_MOVING');
  const socket = await slow.connected;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const reason = { code: 150, name: 'cancelled', detail: 'ended by the operator' };
  await world.agent.AbortSession({ grant: ref(), reason });
  expect((await failure()).status?.code).toBe(150);
  socket.resume();
  await closed;
  slow.close();
});

test('after a restart a file list is still made, a data phase is lost', async () => {
  world.lists.refuse(1_000, 503);
  await world.agent.StartBackup(backup());
  await until('SESSION_PHASE_CATALOGING');
  await daemon.stop();
  world.lists.refuse(0, 503);
  daemon = await start();
  expect((await until('SESSION_PHASE_DONE')).fileList?.entries).toBe(4n);

  fill();
  job += 1n;
  const slow = await startMover(true);
  await world.agent.StartBackup(
    backup({ moverAddresses: [{ host: '127.0.0.1', port: slow.port }] }),
  );
  await until('SESSION_PHASE_MOVING');
  await daemon.stop();
  daemon = await start();
  const failed = await failure();
  slow.close();
  expect(failed.status?.detail).toMatch(/restarted/);
});

test('a probe tells what the filer is', async () => {
  const request = { address: '127.0.0.1', port: filer.port, user: FILER_USER };
  const { facts } = await world.cli.Probe({ ...request, password: FILER_PASSWORD });
  expect(facts).toContainEqual({ group: 'server', name: 'vendor', value: 'Tapestry' });
  expect(facts.some(({ group, name }) => group === 'backup type' && name === 'tar')).toBe(true);
  const wrong = world.cli.Probe({ ...request, password: 'x' });
  await expect(wrong).rejects.toMatchObject({ status: 'ndmpFailed' });
});
