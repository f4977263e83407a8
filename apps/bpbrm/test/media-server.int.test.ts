import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunResult } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MediaServer, startMediaServer } from './media-server-kit.ts';
import { Runs, writeHugeFile } from './runs.ts';

let server: MediaServer;
let runs: Runs;

beforeAll(async () => {
  server = await startMediaServer();
  runs = new Runs(server);
  mkdirSync(join(server.data, 'sub'));
  writeFileSync(join(server.data, 'hello.txt'), 'hello');
  writeFileSync(join(server.data, 'sub', 'big.bin'), Buffer.alloc(3_000_000, 7));
}, 180_000);
afterAll(() => server?.stop());

let image: RunResult['image'];

test('a backup goes from the filer to the tape, and its file list to the catalog', async () => {
  const result = await runs.backUp();
  expect(result.status).toMatchObject({ code: 0 });
  image = result.image;
  expect(image).toMatchObject({ backupId: `filer_${runs.job}`, butype: 'tar', files: 4n });
  expect(image?.fragments).toHaveLength(1);
  expect(image?.fragments[0]?.streamEndBytes).toBe(image?.bytes);
  expect(server.fileLists.has(Buffer.from(image!.fileList!.sha256).toString('hex'))).toBe(true);
  await runs.driveIsIdle();
}, 180_000);

test('what was saved comes back, byte for byte', async () => {
  rmSync(join(server.data, 'sub'), { recursive: true });
  writeFileSync(join(server.data, 'hello.txt'), 'changed');
  const result = await runs.restore(image, ['/data/hello.txt', '/data/sub']);
  expect(result.status).toMatchObject({ code: 0 });
  expect(result.restore?.filesFailed).toBe(0n);
  expect(readFileSync(join(server.data, 'hello.txt'), 'utf8')).toBe('hello');
  const big = readFileSync(join(server.data, 'sub', 'big.bin'));
  expect(big.equals(Buffer.alloc(3_000_000, 7))).toBe(true);
  await runs.driveIsIdle();
}, 180_000);

test('a path that the filer does not have fails with its words, and leaves an idle drive', async () => {
  const result = await runs.backUp('/nowhere');
  expect(result.status).toMatchObject({ code: 99 });
  expect(result.status?.detail).toMatch(/nowhere/);
  await runs.driveIsIdle();
}, 180_000);

test('a cancelled backup ends with 150, and the next one is written where it began', async () => {
  writeHugeFile(server);
  await runs.startHuge();
  const { job } = runs;
  const grant = {
    attempt: { jobId: job, try: 1, step: 0 },
    grantId: `g${job}-1`,
    epoch: job * 10n + 1n,
  };
  const reason = { code: 150, name: 'cancelled', detail: 'ended by the operator' };
  await server.bpbrm.CancelRun({ grant, reason });
  server.thawFiler();
  expect((await runs.ended()).status?.code).toBe(150);
  await runs.driveIsIdle();
  rmSync(join(server.data, 'huge.bin'));
  const next = await runs.backUp();
  expect(next.status?.code).toBe(0);
}, 180_000);

test('the end of a run is told until nbjm answers, over a restart', async () => {
  server.nbjm.answer({
    RunEnded: async () => {
      throw new StatusError('databaseError', 'not ready');
    },
  });
  const result = await runs.backUp();
  expect(result.status?.code).toBe(0);
  await server.kill('bpbrm');
  const before = server.nbjm.requests('RunEnded').length;
  server.nbjm.answer({ RunEnded: async () => ({}) });
  await server.start('bpbrm');
  await server.nbjm.waitFor('RunEnded', { count: before + 1 });
}, 180_000);
