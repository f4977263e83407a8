// How fast is a stream into a virtual tape beside a plain socket → file copy? Both in the same run, several times, each
// with a sender of its own: node apps/bptm/bench/stream-bench.ts [GiB] [rounds] [folder]

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readStat } from '@tapestry/processes';
import { createVirtualLibrary, openVirtualLibrary, virtualDrivePath } from '@tapestry/storage';
import { plainCopy } from '../../../tools/bench/plain-copy.ts';
import { makePool, watch, writeOrder } from '../test/drive-kit.ts';

const GIB = 1_073_741_824;
const [gib = '1', rounds = '3', folder = tmpdir()] = process.argv.slice(2);
const totalBytes = Math.round(Number(gib) * GIB);
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function sendTo(port: number): void {
  spawn(process.execPath, [script('./sender.ts'), String(port), String(totalBytes)], {
    stdio: 'inherit',
  });
}

interface Measured {
  readonly ms: number;
  readonly cpuS: number;
  readonly peakRssBytes: number;
}

async function tapeStream(dir: string): Promise<Measured> {
  const libraryDir = join(dir, 'library');
  const cartridges = [{ barcode: 'A00001L8', capacityBytes: 2 * totalBytes + GIB }];
  await createVirtualLibrary({ dir: libraryDir, drives: 1, slots: 1, cartridges });
  const library = await openVirtualLibrary(libraryDir);
  const elements = await library.inventory();
  const address = (type: string): number => elements.find((each) => each.type === type)!.address;
  await library.move(address('slot'), address('drive'));
  await library.close();
  const pool = makePool(0);
  const drive = watch(await pool.take());
  const drivePath = virtualDrivePath(libraryDir, 0);
  const place = { dir: libraryDir, drivePath, remove: () => undefined };
  const order = { blockSizeBytes: 262_144, ringBytes: 33_554_432 };
  drive.process.send({ type: 'start', order: writeOrder(place, order) });
  const { port } = await drive.report('listening');
  const startMs = performance.now();
  sendTo(port);
  const { bytes } = await drive.report('endOfStream');
  const peakRssBytes = peakRss(drive.process.pid);
  const cpuS = cpuSeconds(drive.process.pid);
  drive.process.send({ type: 'finish', expectedBytes: bytes, env: [] });
  await drive.report('finished');
  const ms = performance.now() - startMs;
  await drive.exited;
  await pool.close();
  return { ms, cpuS, peakRssBytes };
}

function peakRss(pid: number): number {
  const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}

const cpuSeconds = (pid: number): number => (readStat(pid)?.cpuTicks ?? 0) / 100;

const shown = (gbPerS: number): string => `${(gbPerS * 1000).toFixed(0)} MB/s`;
const ratios: number[] = [];
for (let round = 1; round <= Number(rounds); round += 1) {
  const dir = mkdtempSync(join(folder, 'stream-bench-'));
  const plain = await plainCopy(totalBytes, join(dir, 'plain'));
  const { ms, cpuS, peakRssBytes } = await tapeStream(dir);
  rmSync(dir, { recursive: true, force: true });
  const tape = totalBytes / 1e6 / ms;
  ratios.push(tape / plain);
  const memory = `${Math.round(peakRssBytes / 1e6)} MB at most`;
  console.log(
    `round ${round}: plain copy ${shown(plain)}, ` +
      `drive process ${shown(tape)} (${cpuS.toFixed(2)} s CPU, ${memory}), ` +
      `${((100 * tape) / plain).toFixed(0)} %`,
  );
}
ratios.sort((a, b) => a - b);
console.log(
  `median: ${(100 * ratios[Math.floor(ratios.length / 2)]!).toFixed(0)} % of a plain copy`,
);
