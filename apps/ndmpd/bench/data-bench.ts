// How fast backups are: one large file beside a plain copy to a socket, and many small files with each
// form of history beside GNU tar: node apps/ndmpd/bench/data-bench.ts [GiB] [files] [rounds] [folder]

import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type BenchServer, startNdmpd, swallow, timeBackup } from './dma.ts';

const [gib = '1', files = '200000', rounds = '3', folder = '/dev/shm'] = process.argv.slice(2);
const FILES_A_DIRECTORY = 100;
const work = mkdtempSync(join(folder, 'ndmpd-bench-'));

function makeLargeFile(path: string, bytes: number): void {
  const chunk = Buffer.alloc(1024 * 1024, 'tapestry bench ');
  const fd = openSync(path, 'w');
  for (let at = 0; at < bytes; at += chunk.length) writeSync(fd, chunk);
  closeSync(fd);
}

function makeSmallFiles(root: string, count: number): void {
  const bytes = Buffer.alloc(1024, 'small ');
  for (let i = 0; i < count; i += 1) {
    const directory = join(root, `d${Math.floor(i / FILES_A_DIRECTORY)}`);
    if (i % FILES_A_DIRECTORY === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${i}`), bytes);
  }
}

async function rawCopy(file: string): Promise<number> {
  const { port, bytes } = await swallow();
  const start = performance.now();
  const script = new URL('./raw-copy.ts', import.meta.url).pathname;
  spawn(process.execPath, [script, String(port), file], { stdio: 'inherit' });
  await bytes;
  return (performance.now() - start) / 1000;
}

/** GNU tar over the same files into a pipe: the mark to close in on. */
function tarSeconds(directory: string): number {
  const start = performance.now();
  execFileSync('sh', ['-c', 'tar -cf - -C "$1" . | cat >/dev/null', 'sh', directory]);
  return (performance.now() - start) / 1000;
}

async function backUp(server: BenchServer, path: string, hist: string): Promise<void> {
  const env = [
    { name: 'FILESYSTEM', value: `/home/${path}` },
    { name: 'HIST', value: hist },
  ];
  const { seconds, bytes, entries, peakMb } = await timeBackup(server, env);
  const facts = [`${(bytes / seconds / 1e6).toFixed(0)} MB/s`, `${entries} entries`];
  const peak = `peak ${peakMb.toFixed(0)} MB`;
  console.log([`${path}, HIST=${hist}: ${seconds.toFixed(2)} s`, ...facts, peak].join(', '));
}

async function main(): Promise<void> {
  mkdirSync(join(work, 'large'));
  makeLargeFile(join(work, 'large', 'file'), Number(gib) * 2 ** 30);
  makeSmallFiles(join(work, 'small'), Number(files));
  const server = await startNdmpd(work, work);
  try {
    // In turns, so that whatever else the machine does falls on all of them.
    for (let i = 0; i < Number(rounds); i += 1) {
      const seconds = await rawCopy(join(work, 'large', 'file'));
      console.log(`plain copy: ${seconds.toFixed(2)} s with its start`);
      await backUp(server, 'large', 'n');
      console.log(`small, GNU tar: ${tarSeconds(join(work, 'small')).toFixed(2)} s`);
      for (const hist of ['n', 'f', 'd']) await backUp(server, 'small', hist);
    }
  } finally {
    server.child.kill();
  }
}

try {
  await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}
