// `npm run bench`: how fast the system is, each figure beside its limit in the same run. Machines are shared and noisy:
// read the ratios, not the seconds.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { parseArgs, promisify } from 'node:util';
import { type Site, startSite, writeNoise } from '../e2e/test/site.ts';
import { ROOT, residentBytes } from '../launcher/layout.ts';
import { DAEMONS } from '../launcher/plans.ts';
import { type Figure, percentile, printFigures } from './figures.ts';
import { measureMoverControl } from './mover-control.ts';
import { measurePeerJob } from './peer-job.ts';
import { plainCopy } from './plain-copy.ts';

const run = promisify(execFile);
const PARTS = 'start,latency,throughput,jobs,mover,peer,history,ndmpd,memory,iscsi,broker';
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: PARTS },
    gib: { type: 'string', default: '4' },
    jobs: { type: 'string', default: '200' },
    runs: { type: 'string', default: '30' },
    files: { type: 'string', default: '1000000' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(
    `npm run bench [-- --only ${PARTS}] [--gib 4] [--jobs 200] [--runs 30] [--files 1000000] [--json]\n`,
  );
  process.exit(0);
}
const wanted = new Set(values.only.split(','));
const figures: Figure[] = [];
const startedMs = performance.now();
/** The parts that need a running system; the others are measured without one beside them. */
const inSystem: Readonly<Record<string, (site: Site) => Promise<void>>> = {
  start: measureStart,
  latency: measureLatency,
  throughput: (site) => measureThroughput(site, Number(values.gib)),
  jobs: (site) => measureJobs(site, Number(values.jobs)),
};
const parts = Object.entries(inSystem).filter(([name]) => wanted.has(name));
if (parts.length > 0) {
  const site = await startSite({ cartridges: 10, capacityBytes: 64 * 1024 ** 3 });
  try {
    for (const [, measure] of parts) await measure(site);
  } finally {
    await site.stop();
  }
}
if (wanted.has('mover')) figures.push(...(await measureMoverControl(Number(values.runs))));
if (wanted.has('peer')) figures.push(...(await measurePeerJob()));
if (wanted.has('history')) await measureHistory(Number(values.files));
if (wanted.has('ndmpd')) await figuresOf('apps/ndmpd/bench/data-bench.ts', '--json');
if (wanted.has('memory')) await measureMemory(Number(values.files));
if (wanted.has('iscsi')) await figuresOf('libs/iscsi/bench/write-path.ts', '1', '--json');
if (wanted.has('broker')) await measureBroker();
printFigures(figures, values.json === true);
process.stdout.write(`in all ${((performance.now() - startedMs) / 1000).toFixed(0)} s\n`);
process.exit(0);

/** Start and memory: a second start, as every one but the first is, of the system that the other figures use. */
async function measureStart(site: Site): Promise<void> {
  const before = performance.now();
  await Promise.all(DAEMONS.map((name) => site.system.child(name).stop()));
  const stopped = performance.now();
  for (const name of DAEMONS) site.system.child(name).start();
  await site.system.waitReady();
  figures.push(
    { name: 'stop of all daemons', value: (stopped - before) / 1000, unit: 's', goal: '' },
    {
      name: 'all daemons ready',
      value: (performance.now() - stopped) / 1000,
      unit: 's',
      goal: '≤ 8 s',
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const idle = DAEMONS.flatMap((name) => site.system.child(name).pid ?? []);
  const bytes = [...idle, ...idle.flatMap(childrenOf)].reduce(
    (sum, pid) => sum + residentBytes(pid),
    0,
  );
  figures.push({
    name: 'idle memory of all daemons and their warm pools',
    value: bytes / 1e9,
    unit: 'GB',
    goal: '≤ 1.6 GB',
  });
}

/** From bprd's receipt of the request to the first byte of data at bptm, as their own clocks told. */
async function measureLatency(site: Site): Promise<void> {
  writeNoise(join(site.source, 'small'), 10_000);
  const times: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    const sentMs = Date.now();
    const jobId = await site.backup();
    await ended(site, jobId);
    const { lines } = await site.job(jobId);
    const first = lines.find(({ text }) => /data connection from/.test(text));
    if (first !== undefined) times.push(Number(first.atMs) - sentMs);
  }
  figures.push(
    {
      name: 'request → data connection, p50',
      value: percentile(times, 50),
      unit: 'ms',
      goal: '≤ 300 ms',
    },
    { name: 'request → data connection, p95', value: percentile(times, 95), unit: 'ms', goal: '' },
  );
  const cli = performance.now();
  await run(join(ROOT, 'bin/bpimagelist'), ['-idonly'], {
    env: { ...process.env, TAPESTRY_STATE_DIR: site.system.layout.stateDir },
  });
  figures.push({
    name: "a command's own time",
    value: performance.now() - cli,
    unit: 'ms',
    goal: '',
  });
}

/**
 * One big file from ndmpd onto the virtual tape, beside the same bytes through one socket into one file: in turns, because
 * what a disk takes changes from one minute to the next, and the middle of three. A round before does not count: a
 * virtual machine pays for memory that it touches for the first time, whoever comes first.
 */
async function measureThroughput(site: Site, gib: number): Promise<void> {
  const bytes = gib * 1024 ** 3;
  const file = join(site.source, 'big');
  writeNoise(file, bytes);
  const watch = watchMemory(() => childrenOf(site.system.child('bptm').pid ?? 0));
  const copies: number[] = [];
  const backups: number[] = [];
  for (let round = 0; round <= 3; round += 1) {
    await run('sync');
    const copy = await plainCopy(file, join(site.dir, 'plain'));
    await run('sync');
    const backup = await backupRate(site, bytes);
    if (round === 0) continue;
    copies.push(copy);
    backups.push(backup);
  }
  const [copy, backup] = [percentile(copies, 50), percentile(backups, 50)];
  figures.push(
    { name: 'plain socket → file copy', value: copy, unit: 'GB/s', goal: '' },
    { name: 'remote backup to virtual tape', value: backup, unit: 'GB/s', goal: '' },
    { name: 'remote backup / plain copy', value: (backup / copy) * 100, unit: '%', goal: '≥ 85 %' },
    {
      name: 'memory of the drive process, most',
      value: watch.stop() / 1e6,
      unit: 'MB',
      goal: '≤ 200 MB',
    },
  );
}

/** GB/s from the data connection to the closed and synchronised fragment, as bptm told both. */
async function backupRate(site: Site, bytes: number): Promise<number> {
  const jobId = await site.backup();
  await ended(site, jobId);
  const { lines } = await site.job(jobId);
  const at = (pattern: RegExp): number =>
    Number(lines.find(({ text }) => pattern.test(text))?.atMs ?? 0n);
  return bytes / ((at(/end writing/) - at(/data connection from/)) / 1000) / 1e9;
}

/** Short jobs, all queued at once. */
async function measureJobs(site: Site, count: number): Promise<void> {
  rmSync(join(site.source, 'big'), { force: true });
  const startMs = performance.now();
  const jobs = await Promise.all(Array.from({ length: count }, () => site.backup()));
  const queued = performance.now();
  const rows = [];
  for (const jobId of jobs) rows.push(await site.ended(jobId, 1_800_000));
  const seconds = (performance.now() - startMs) / 1000;
  const good = rows.filter(({ status }) => status === 0).length;
  figures.push(
    { name: `${count} jobs submitted`, value: (queued - startMs) / 1000, unit: 's', goal: '' },
    { name: 'short jobs', value: count / seconds, unit: 'jobs/s', goal: '' },
    { name: 'jobs lost or failed', value: count - good, unit: '', goal: '0' },
  );
}

/** File history: spooled by one thread, then joined and sorted by a process of its own. */
async function measureHistory(entries: number): Promise<void> {
  const { stdout } = await run(
    process.execPath,
    [join(ROOT, 'libs/catalog/bench/file-list.ts'), String(entries)],
    { maxBuffer: 1e7 },
  );
  process.stdout.write(`file history of ${entries} entries: ${stdout.trim()}\n`);
}

/** A grant decision of nbrb with MDS, ten thousand requests waiting; of the processor's time. */
async function measureBroker(): Promise<void> {
  const script = join(ROOT, 'apps/nbrb/bench/decisions.ts');
  const { stdout } = await run(process.execPath, [script]);
  const { p50Ms, p99Ms } = JSON.parse(stdout) as { p50Ms: number; p99Ms: number };
  figures.push(
    { name: 'grant decision, 10,000 waiting, p50', value: p50Ms, unit: 'ms', goal: '' },
    { name: 'grant decision, 10,000 waiting, p99', value: p99Ms, unit: 'ms', goal: '≤ 10 ms' },
  );
}

/**
 * What a part's own benchmark says. ndmpd: our filer by itself, beside a plain copy, GNU tar and NDMJOB: one large file,
 * 200,000 small ones, both ways. iscsi: blocks of 256 KiB to a target and back, beside a plain socket.
 */
async function figuresOf(script: string, ...args: string[]): Promise<void> {
  const bench = spawn(process.execPath, [join(ROOT, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [text] = await Promise.all([readText(bench.stdout), once(bench, 'close')]);
  if (bench.exitCode !== 0) throw new Error(`${script} failed`);
  figures.push(...(JSON.parse(text) as Figure[]));
}

/** What the data process takes at its peak for a tree of ten times so many files; it should not grow with them. */
async function measureMemory(files: number): Promise<void> {
  const count = String(10 * files);
  const only = 'full-inode,incremental-inode';
  const script = 'apps/ndmpd/bench/memory-bench.ts';
  await figuresOf(script, '--json', '--count', count, '--only', only);
}

async function ended(where: Site, jobId: bigint): Promise<void> {
  const row = await where.ended(jobId, 1_200_000);
  if (row.status !== 0)
    throw new Error(`job ${jobId}: ${row.status}\n${await where.details(jobId)}`);
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((task) =>
        readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim().split(/\s+/),
      )
      .filter((word) => word !== '')
      .map(Number);
  } catch {
    return [];
  }
}

function watchMemory(pids: () => number[]): { stop(): number } {
  let most = 0;
  const timer = setInterval(() => {
    for (const pid of pids()) most = Math.max(most, residentBytes(pid));
  }, 100);
  return {
    stop: () => {
      clearInterval(timer);
      return most;
    },
  };
}
