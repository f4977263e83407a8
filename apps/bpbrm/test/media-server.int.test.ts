import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Init, RunResult, RunSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MediaServer, startMediaServer } from './media-server-kit.ts';

const UNKNOWN = 0xffff_ffff_ffff_ffffn;
let server: MediaServer;
let job = 700n;

beforeAll(async () => {
  server = await startMediaServer();
  mkdirSync(join(server.data, 'sub'));
  writeFileSync(join(server.data, 'hello.txt'), 'hello');
  writeFileSync(join(server.data, 'sub', 'big.bin'), Buffer.alloc(3_000_000, 7));
}, 60_000);
afterAll(() => server.stop());

const backup = (path = '/data'): Init<RunSpec> => ({
  job: { type: 'JOB_TYPE_BACKUP', client: 'filer', policy: 'nas', backup: { path } },
  image: { backupId: `filer_${job}`, backupTimeS: 1_700_000_000n, level: 0, butype: 'tar' },
});

async function backUp(): Promise<RunResult> {
  job += 1n;
  await server.startRun(job, backup());
  return server.ended(job);
}

function restore(image: RunResult['image'], paths: readonly string[]): Init<RunSpec> {
  const entries = paths.map((path) => ({
    ...{ originalPath: Buffer.from(path), destinationPath: Buffer.from(path), fhInfo: UNKNOWN },
  }));
  const { backupId, fragments, env, butype, bytes } = image!;
  const step = { backupId, fragments, env, butype, imageBytes: bytes, path: '/data' };
  const steps = [{ ...step, entries, expectedFiles: BigInt(paths.length) }];
  return {
    job: { type: 'JOB_TYPE_RESTORE', client: 'filer', restore: { destClient: 'filer', steps } },
    restoreStep: 0,
  };
}

/** What a run must leave behind whatever happened: an idle drive, told to nbrb. */
async function driveIsIdle(): Promise<void> {
  await eventually(
    'the drive is idle',
    () => {
      const last = server.nbrb.requests('ReportDrives').at(-1)?.drives[0];
      return last !== undefined && last.holder === null ? true : undefined;
    },
    20_000,
  );
}

let image: RunResult['image'];

test('a backup goes from the filer to the tape, and its file list to the catalog', async () => {
  const result = await backUp();
  expect(result.status).toMatchObject({ code: 0 });
  image = result.image;
  expect(image).toMatchObject({ backupId: `filer_${job}`, butype: 'tar', files: 4n });
  expect(image?.fragments).toHaveLength(1);
  expect(image?.fragments[0]?.streamEndBytes).toBe(image?.bytes);
  expect(server.fileLists.has(Buffer.from(image!.fileList!.sha256).toString('hex'))).toBe(true);
  await driveIsIdle();
}, 60_000);

test('what was saved comes back, byte for byte', async () => {
  rmSync(join(server.data, 'sub'), { recursive: true });
  writeFileSync(join(server.data, 'hello.txt'), 'changed');
  job += 1n;
  await server.startRun(job, restore(image, ['/data/hello.txt', '/data/sub']));
  const result = await server.ended(job);
  expect(result.status).toMatchObject({ code: 0 });
  expect(result.restore?.filesFailed).toBe(0n);
  expect(readFileSync(join(server.data, 'hello.txt'), 'utf8')).toBe('hello');
  const big = readFileSync(join(server.data, 'sub', 'big.bin'));
  expect(big.equals(Buffer.alloc(3_000_000, 7))).toBe(true);
  await driveIsIdle();
}, 60_000);

test('a path that the filer does not have fails with its words, and leaves an idle drive', async () => {
  job += 1n;
  await server.startRun(job, backup('/nowhere'));
  const result = await server.ended(job);
  expect(result.status).toMatchObject({ code: 99 });
  expect(result.status?.detail).toMatch(/nowhere/);
  await driveIsIdle();
}, 60_000);

/** Big enough to be met in the middle, on the machines that we test on. */
const HUGE_BYTES = 400_000_000;

async function startHuge(): Promise<void> {
  writeFileSync(join(server.data, 'huge.bin'), Buffer.alloc(HUGE_BYTES, 3));
  job += 1n;
  await server.startRun(job, backup());
  await eventually(
    'data moves',
    async () => {
      const { runs } = await server.bpbrm.ListRuns({});
      const mine = runs.find(({ grant }) => grant?.attempt?.jobId === job);
      return mine?.phase === 'writing' ? true : undefined;
    },
    30_000,
  );
}

test.each<[string, () => Promise<void> | void, number]>([
  ['bptm', () => server.kill('bptm'), 82],
  ['ndmpagent', () => server.kill('ndmpagent'), 99],
  ['the filer', () => server.killFiler(), 99],
])(
  'killed in the middle of a backup: %s',
  async (who, strike, code) => {
    await startHuge();
    await strike();
    if (who === 'bptm' || who === 'ndmpagent') await server.start(who);
    else await server.startFiler();
    const result = await server.ended(job);
    expect(result.status?.code).toBe(code);
    expect(result.image).toBe(null);
    await driveIsIdle();
  },
  90_000,
);

test('bpbrm and ltid may die: the run goes on and ends well', async () => {
  await startHuge();
  await Promise.all([server.kill('bpbrm'), server.kill('ltid')]);
  await Promise.all([server.start('bpbrm'), server.start('ltid')]);
  const result = await server.ended(job);
  expect(result.status?.code).toBe(0);
  expect(Number(result.image?.bytes)).toBeGreaterThan(HUGE_BYTES);
  await driveIsIdle();
}, 90_000);

test('a cancelled backup ends with 150, and the next one is written where it began', async () => {
  await startHuge();
  const grant = {
    attempt: { jobId: job, try: 1, step: 0 },
    grantId: `g${job}-1`,
    epoch: job * 10n + 1n,
  };
  const reason = { code: 150, name: 'cancelled', detail: 'ended by the operator' };
  await server.bpbrm.CancelRun({ grant, reason });
  expect((await server.ended(job)).status?.code).toBe(150);
  await driveIsIdle();
  rmSync(join(server.data, 'huge.bin'));
  const next = await backUp();
  expect(next.status?.code).toBe(0);
}, 90_000);

test('the end of a run is told until nbjm answers, over a restart', async () => {
  server.nbjm.answer({
    RunEnded: async () => {
      throw new StatusError('databaseError', 'not ready');
    },
  });
  const result = await backUp();
  expect(result.status?.code).toBe(0);
  await server.kill('bpbrm');
  const before = server.nbjm.requests('RunEnded').length;
  server.nbjm.answer({ RunEnded: async () => ({}) });
  await server.start('bpbrm');
  await server.nbjm.waitFor('RunEnded', { count: before + 1 });
}, 60_000);
