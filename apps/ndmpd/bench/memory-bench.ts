// How much memory the data process takes at its peak, and how long backups take: of a generated tree of
// many files (no disk need hold it), plain or with two names for each file, and of one real folder:
//
//   node apps/ndmpd/bench/memory-bench.ts [--what tree|links|folder] [--count N] [--dir FOLDER]
//     [--only full-path,full-inode,incremental-path,incremental-inode] [--json]

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countHistory } from '@tapestry/ndmp';
import { type Figure, printFigures } from '../../../tools/bench/figures.ts';
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
      if (report.type === 'log') process.stderr.write(`${report.entry}\n`);
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
  const line = [`${what}: peak ${peakMb.toFixed(0)} MB`, ...facts, `${entries} entries`].join(', ');
  process.stderr.write(`${line}\n`);
  figures.push({
    name: `ndmpd: memory of its data process, ${what}, ${entries} entries`,
    ...{ value: peakMb, unit: 'MB', goal: '≤ 300 MB' },
  });
}

/** Full backups with each form of history, and incrementals that list every folder. */
async function measure(script: URL, directory: string, sinceNs: bigint): Promise<void> {
  const run = async (name: string, history: 'file' | 'dir', base?: IncrementalBase) => {
    if (wanted.has(name)) show(name, await backUp(script, orderOf(directory, history, base)));
  };
  await run('full-path', 'file');
  await run('full-inode', 'dir');
  const base = { sinceNs, directories: await directoriesOf(script, directory) };
  await run('incremental-path', 'file', base);
  await run('incremental-inode', 'dir', base);
}

/** As a full backup would see them; a generated tree has the same ones without its files. */
async function directoriesOf(script: URL, directory: string): Promise<Uint8Array> {
  if (script === REAL) return (await backUp(script, orderOf(directory, 'none'))).directories;
  const empty = JSON.stringify({ ...JSON.parse(directory), filesAFolder: 0 });
  return (await backUp(script, orderOf(empty, 'none'))).directories;
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

const { values } = parseArgs({
  options: {
    what: { type: 'string', default: 'tree' },
    count: { type: 'string' },
    dir: { type: 'string', default: tmpdir() },
    only: { type: 'string', default: 'full-path,full-inode,incremental-path,incremental-inode' },
    json: { type: 'boolean', default: false },
  },
});
const figures: Figure[] = [];
const wanted = new Set(values.only.split(','));
if (values.what === 'folder') await measureFolder(Number(values.count ?? 1_000_000), values.dir);
else {
  const files = Number(values.count ?? 10_000_000);
  const folders = Math.ceil(files / FILES_A_FOLDER);
  const linkedAFolder = values.what === 'links' ? FILES_A_FOLDER : 0;
  const rule: TreeRule = { folders, filesAFolder: FILES_A_FOLDER, bytes: 100, linkedAFolder };
  await measure(GENERATED, JSON.stringify({ ...rule, changedEvery: 50 }), CHANGED_AT_NS);
}
printFigures(figures, values.json);
