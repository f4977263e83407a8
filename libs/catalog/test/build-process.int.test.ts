// Builds in real child processes: killed in every phase, aborted, timed out, orphaned.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test, vi } from 'vitest';
import { startBuild } from '../src/index.ts';
import type { HistoryFile } from '../src/spool.ts';
import { openWorkshop } from './workshop.ts';

vi.setConfig({ testTimeout: 600_000 });
const workshop = await openWorkshop();
afterAll(workshop.clear);

const BUILD_MAIN = fileURLToPath(new URL('../src/build-main.ts', import.meta.url));
const timeoutMs = 120_000;

const spoolPath = await workshop.spool(async (spool) => {
  for (let first = 0; first < 200_000; first += 1000) {
    const batch = Array.from({ length: 1000 }, (_, index): HistoryFile => {
      const number = first + index;
      const path = Buffer.from(`/d${number % 97}/file-${number}`);
      return { path, type: 'file', sizeBytes: 3n, node: BigInt(number), fhInfo: BigInt(number) };
    });
    if (!spool.appendFiles(batch)) await spool.drain();
  }
});

/** Starts the child directly, as a daemon that dies would leave it. */
function spawnBuild(request: object) {
  const child = spawn(process.execPath, [BUILD_MAIN], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.write(`${JSON.stringify(request)}\n`);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const reached = (phase: string) =>
    new Promise<void>((resolve) => {
      child.stdout.on('data', (text) => String(text).includes(`"phase":"${phase}"`) && resolve());
      child.once('close', () => resolve());
    });
  return { child, ended, reached };
}

test('a build that was killed in any phase is started again and gives the same bytes', async () => {
  const outPath = workshop.newPath('parquet');
  const request = { spoolPath, outPath, prefix: '/vol1' };
  const phases: string[] = [];
  const whole = await startBuild(request, {
    timeoutMs,
    onProgress: ({ phase }) => phases.push(phase),
  });
  expect([...new Set(phases)]).toEqual(['read', 'join', 'write', 'digest']);
  expect(whole).toMatchObject({ entries: 200_000, bytes: 600_000n });
  expect(whole.peakRssBytes).toBeGreaterThan(0);
  const bytes = await readFile(outPath);

  const again = workshop.newPath('parquet');
  for (const phase of ['read', 'join', 'write', 'digest']) {
    const build = spawnBuild({ ...request, outPath: again });
    await build.reached(phase);
    build.child.kill('SIGKILL');
    await build.ended;
    if (phase !== 'digest') expect(existsSync(again)).toBe(false);
  }
  const restarted = await startBuild({ ...request, outPath: again }, { timeoutMs });
  expect(restarted.sha256).toBe(whole.sha256);
  expect(bytes.equals(await readFile(again))).toBe(true);
  expect(filesBeside(again)).toEqual([basename(again)]);
});

test('a build does not wait for, and is not harmed by, one before it that still ends', async () => {
  const request = { spoolPath, outPath: workshop.newPath('parquet'), prefix: '/' };
  const before = spawnBuild(request);
  await before.reached('join');
  const { sha256 } = await startBuild(request, { timeoutMs });
  await before.ended;
  expect(await readFile(request.outPath).then(sha256Of)).toBe(sha256);
});

function filesBeside(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)));
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('a build ends with the process that wanted it', async () => {
  const outPath = workshop.newPath('parquet');
  const build = spawnBuild({ spoolPath, outPath, prefix: '/' });
  await build.reached('read');
  build.child.stdin.end();
  expect(await build.ended).toBe(1);
  expect(existsSync(outPath)).toBe(false);
});

test('a build is ended by its deadline and by its signal, and its errors keep their status', async () => {
  const request = { spoolPath, outPath: workshop.newPath('parquet'), prefix: '/' };
  const failing = (options: { timeoutMs: number; signal?: AbortSignal }) =>
    expect(startBuild(request, options)).rejects;
  await failing({ timeoutMs: 1 }).toMatchObject({ status: 'requestTimedOut' });
  const aborter = new AbortController();
  const aborted = failing({ timeoutMs, signal: aborter.signal });
  setTimeout(() => aborter.abort(), 50);
  await aborted.toMatchObject({ status: 'cancelled' });
  await failing({ timeoutMs, signal: AbortSignal.abort() }).toMatchObject({ status: 'cancelled' });
  const missing = { ...request, spoolPath: workshop.newPath('spool') };
  await expect(startBuild(missing, { timeoutMs })).rejects.toMatchObject({
    status: 'fileOpenFailed',
  });
  expect(existsSync(request.outPath)).toBe(false);
});

test('recording history loads no DuckDB', async () => {
  const script = `await import('@tapestry/catalog/spool'); await import('@tapestry/catalog');
    const maps = await (await import('node:fs/promises')).readFile('/proc/self/maps', 'utf8');
    process.exit(maps.includes('duckdb') ? 1 : 0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
  });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
});
