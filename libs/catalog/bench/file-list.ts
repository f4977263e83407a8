// Prints as JSON how fast history is spooled and how fast a spool becomes a file list, and the child's memory.
// Usage: node bench/file-list.ts [entries] [memoryLimitMiB]

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBuild } from '../src/index.ts';
import { type HistoryDir, type HistoryFile, type HistoryNode, HistorySpool } from '../src/spool.ts';

const entries = Number(process.argv[2] ?? 1_000_000);
const memoryLimitBytes = Number(process.argv[3] ?? 512) * 1024 * 1024;
const FILES_A_DIR = 200;
const BATCH = 256;
const ROOT = 2n;

const nodeOf = (index: number): HistoryNode => ({
  type: 'file',
  sizeBytes: BigInt((index * 7919) % 1_000_003),
  node: BigInt(1_000_000_000 + index),
  fhInfo: BigInt(index) * 1024n,
  mtimeS: 1_700_000_000 + ((index * 31) % 9_999_991),
  atimeS: 1_700_000_000,
  ctimeS: 1_700_000_000,
  mode: 0o644,
  uid: 1000 + (index % 7),
  gid: 1000,
  links: 1,
});
const folderOf = (index: number) => {
  const folder = Math.floor(index / FILES_A_DIR);
  return `/home/user${folder % 97}/project-${Math.floor(folder / 50)}/folder-${folder}`;
};
const nameOf = (index: number) => `document-${(index * 2654435761) % 4294967296}.txt`;

/** Makes each batch before the clock runs: this measures the spool, not the making of test data. */
async function spoolFiles(spool: HistorySpool): Promise<number> {
  let spentMs = 0;
  for (let first = 0; first < entries; first += BATCH) {
    const batch: HistoryFile[] = [];
    for (let index = first; index < Math.min(entries, first + BATCH); index++) {
      batch.push({ ...nodeOf(index), path: Buffer.from(`${folderOf(index)}/${nameOf(index)}`) });
    }
    const startMs = performance.now();
    if (!spool.appendFiles(batch)) await spool.drain();
    spentMs += performance.now() - startMs;
  }
  const startMs = performance.now();
  await spool.close();
  return spentMs + performance.now() - startMs;
}

async function spoolDirsAndNodes(spool: HistorySpool): Promise<number> {
  let spentMs = 0;
  const put = async (dirs: HistoryDir[], nodes: HistoryNode[]) => {
    const startMs = performance.now();
    const roomForDirs = spool.appendDirs(dirs);
    if (!spool.appendNodes(nodes) || !roomForDirs) await spool.drain();
    spentMs += performance.now() - startMs;
  };
  const root = { ...nodeOf(0), type: 'dir' as const, node: ROOT };
  await put([{ parent: ROOT, node: ROOT, name: Buffer.from('.') }], [root]);
  for (let first = 0; first < entries; first += FILES_A_DIR) {
    const folder = BigInt(10 + first / FILES_A_DIR);
    const holder = folder < 110n ? ROOT : 10n + (folder - 10n) / 10n;
    const dirs = [{ parent: holder, node: folder, name: Buffer.from(`folder-${folder}`) }];
    const nodes: HistoryNode[] = [{ ...root, node: folder }];
    for (let index = first; index < Math.min(entries, first + FILES_A_DIR); index++) {
      const node = nodeOf(index);
      dirs.push({ parent: folder, node: node.node, name: Buffer.from(nameOf(index)) });
      nodes.push(node);
    }
    await put(dirs, nodes);
  }
  const startMs = performance.now();
  await spool.close();
  return spentMs + performance.now() - startMs;
}

async function measure(
  folder: string,
  form: string,
  write: (spool: HistorySpool) => Promise<number>,
) {
  const spool = await HistorySpool.create(join(folder, `${form}.spool`));
  const spoolMs = await write(spool);
  const records = Object.values(spool.counts).reduce((sum, count) => sum + count, 0);
  const startMs = performance.now();
  const result = await startBuild(
    {
      spoolPath: spool.path,
      outPath: join(folder, `${form}.parquet`),
      prefix: '/vol1',
      memoryLimitBytes,
    },
    { timeoutMs: 3_600_000 },
  );
  const buildMs = performance.now() - startMs;
  return {
    entries: result.entries,
    spoolRecordsPerS: Math.round(records / (spoolMs / 1000)),
    spoolBytes: (await stat(spool.path)).size,
    buildEntriesPerS: Math.round(result.entries / (buildMs / 1000)),
    buildMs: Math.round(buildMs),
    listBytes: result.sizeBytes,
    peakRssMiB: Math.round(result.peakRssBytes / 1024 / 1024),
  };
}

const folder = await mkdtemp(join(tmpdir(), 'file-list-bench-'));
try {
  const file = await measure(folder, 'file', spoolFiles);
  const dirNode = await measure(folder, 'dir-node', spoolDirsAndNodes);
  process.stdout.write(
    `${JSON.stringify({ bench: 'file-list', memoryLimitMiB: memoryLimitBytes / 1024 / 1024, file, dirNode }, null, 2)}\n`,
  );
} finally {
  await rm(folder, { recursive: true });
}
