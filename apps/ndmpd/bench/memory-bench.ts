// How much memory the data process takes at its peak, and how long backups take: of a generated tree of
// many files (no disk holds it), and of one real folder with many names.
// node apps/ndmpd/bench/memory-bench.ts tree [files] | links [files] | folder [names] [folder]

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countHistory } from '@tapestry/ndmp';
import { DATA_PROCESS_FLAGS } from '../src/adapters/worker-pool.ts';
import type { BackupOrder, IncrementalBase, WorkerReport } from '../src/core/data-protocol.ts';
import { CHANGED_AT_NS, type TreeRule } from '../test/generated-tree.ts';
import { swallow } from './dma.ts';

const GENERATED = new URL('./generated-worker.ts', import.meta.url);
const REAL = new URL('../src/adapters/data-worker.ts', import.meta.url);
const FILES_A_FOLDER = 100;
const TICKS_A_SECOND = 100;

interface Outcome {
  readonly seconds: number;
  /** Of the data process alone. */
  readonly processorSeconds: number;
  readonly bytes: number;
  readonly entries: number;
  readonly peakMb: number;
  readonly directories: Uint8Array;
}

/** One backup in a process of its own, with the session's part played here. */
async function backUp(script: URL, order: BackupOrder): Promise<Outcome> {
  const worker = fork(script, {
    execArgv: [...DATA_PROCESS_FLAGS],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const { port, received } = await swallow();
  const found = { entries: 0, directories: new Uint8Array(0) };
  worker.send({ type: 'dial', endpoints: [{ host: '127.0.0.1', port, env: [] }] });
  await told(worker, 'connected', found);
  const start = performance.now();
  worker.send(order);
  await told(worker, 'ended', found);
  const seconds = (performance.now() - start) / 1000;
  const { peakMb, processorSeconds } = costOf(worker.pid ?? 0);
  const { bytes } = await received;
  worker.kill();
  return { seconds, processorSeconds, bytes, peakMb, ...found };
}

function costOf(pid: number): { peakMb: number; processorSeconds: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const times = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return {
    peakMb: Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024,
    processorSeconds: (Number(times[11]) + Number(times[12])) / TICKS_A_SECOND,
  };
}

function told(
  worker: ChildProcess,
  type: WorkerReport['type'],
  found: { entries: number; directories: Uint8Array },
): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('exit', (code) => reject(new Error(`the data process ended with ${code}`)));
    worker.removeAllListeners('message').on('message', (report: WorkerReport) => {
      if (report.type === 'directories') found.directories = report.bytes;
      if (report.type === 'log') console.log(report.entry);
      if (report.type === 'history') {
        found.entries += countHistory({ kind: report.kind, body: Buffer.from(report.body) });
      }
      if (['history', 'log', 'file'].includes(report.type))
        worker.send({ type: 'taken', posts: 1 });
      if (report.type === type) resolve();
    });
  });
}

function orderOf(
  exportDirectory: string,
  history: BackupOrder['history'],
  base?: IncrementalBase,
): BackupOrder {
  const root = { exportDirectory, shownRoot: '/home', components: [] };
  return { type: 'backup', ...root, history, exclude: [], include: [], base };
}

function show(what: string, { seconds, processorSeconds, bytes, entries, peakMb }: Outcome): void {
  const times = `${seconds.toFixed(1)} s (${processorSeconds.toFixed(1)} s of processor)`;
  const facts = [times, `${(bytes / 1e9).toFixed(2)} GB`];
  console.log([`${what}: peak ${peakMb.toFixed(0)} MB`, ...facts, `${entries} entries`].join(', '));
}

/** Full backups with each form of history, and an incremental that lists every folder. */
async function measure(script: URL, directory: string, sinceNs: bigint): Promise<void> {
  const full = await backUp(script, orderOf(directory, 'file'));
  show('full, history by path', full);
  show('full, history by inode', await backUp(script, orderOf(directory, 'dir')));
  const base = { sinceNs, directories: full.directories };
  show('incremental, by path', await backUp(script, orderOf(directory, 'file', base)));
  show('incremental, by inode', await backUp(script, orderOf(directory, 'dir', base)));
}

async function measureFolder(names: number, place: string): Promise<void> {
  const work = mkdtempSync(join(place, 'ndmpd-names-'));
  try {
    for (let i = 0; i < names; i += 1) writeFileSync(join(work, `quarterly-report-${i}.txt`), '');
    await measure(REAL, work, 0n);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const [what = 'tree', count, place = tmpdir()] = process.argv.slice(2);
if (what === 'folder') await measureFolder(Number(count ?? 1_000_000), place);
else {
  const files = Number(count ?? 10_000_000);
  const folders = Math.ceil(files / FILES_A_FOLDER);
  const linkedAFolder = what === 'links' ? FILES_A_FOLDER : 0;
  const rule: TreeRule = { folders, filesAFolder: FILES_A_FOLDER, bytes: 100, linkedAFolder };
  await measure(GENERATED, JSON.stringify({ ...rule, changedEvery: 50 }), CHANGED_AT_NS);
}
