// How quickly a filer's own mover is served: local and three-way, what passes between its word that it paused or halted and
// what it is asked next, without what tape and robot took; as the agent's recordings of the NDMP sessions tell.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Filer, startFiler } from '../demo/filer.ts';
import { addPolicy, type Site, startSite, writeNoise } from '../e2e/test/site.ts';
import { type Figure, percentile } from './figures.ts';
import { haltTimes, parseTrace, pauseTimes, type Span } from './trace-times.ts';

/** Two and a half fragments of the least size: two pauses a run. */
const FRAGMENT_MB = 50n;
const FILE_BYTES = 130 * 1024 * 1024;
const GOAL = '≤ 100 ms';

interface Times {
  readonly pauses: Span[];
  readonly halts: Span[];
}

interface Measuring {
  readonly site: Site;
  readonly traceDir: string;
  readonly runs: number;
}

/** So many backups of each kind, after one that does not count. */
export async function measureMoverControl(runs: number): Promise<Figure[]> {
  const traceDir = mkdtempSync(join(tmpdir(), 'tapestry-traces-'));
  const env = { ndmpagent: { NDMPAGENT_TRACE_DIR: traceDir } };
  const site = await startSite({ filerHasDrive: true, cartridges: 10, env });
  let second: Filer | undefined;
  try {
    const unit = { label: 'tape1', maxFragmentMb: FRAGMENT_MB };
    await site.bus.client('nbemm').UpdateStorageUnit({ unit, set: ['maxFragmentMb'] });
    writeNoise(join(site.source, 'large'), FILE_BYTES);
    second = await startSecond(site);
    const local = await times({ site, traceDir, runs }, () => site.backup());
    const threeWay = await times({ site, traceDir, runs }, () =>
      backupOf(site, 'filer2', 'second'),
    );
    return [...figuresOf('local', local), ...figuresOf('three-way', threeWay)];
  } finally {
    await second?.stop();
    await site.stop();
    rmSync(traceDir, { recursive: true, force: true });
  }
}

async function startSecond(site: Site): Promise<Filer> {
  const source = join(site.dir, 'second-data');
  mkdirSync(source);
  writeNoise(join(source, 'large'), FILE_BYTES);
  const filer = await startFiler({ dir: join(site.dir, 'second'), exports: { data: source } });
  const { host: address, port, user, password } = filer;
  const host = { name: 'filer2', address, port, user, password, auth: 'md5' };
  await site.bus.client('nbemm').AddNdmpHost(host);
  await addPolicy(site.bus, 'second', ['/data'], { client: 'filer2' });
  return filer;
}

async function backupOf(site: Site, client: string, policy: string): Promise<bigint> {
  const requester = { user: 'bench', host: 'bench' };
  const requestId = `bench-${performance.now()}`;
  const request = { requestId, requester, policy, schedule: 'full', client };
  return (await site.bus.client('bprd').SubmitBackup(request)).jobIds[0]!;
}

/** One run before does not count: nothing is in the drive then. */
async function times(
  { site, traceDir, runs }: Measuring,
  backup: () => Promise<bigint>,
): Promise<Times> {
  const found: Times = { pauses: [], halts: [] };
  for (let run = 0; run <= runs; run += 1) {
    const jobId = await backup();
    const row = await site.ended(jobId);
    if (row.status !== 0) throw new Error(`job ${jobId}: ${await site.details(jobId)}`);
    const seen = takeTraces(traceDir);
    if (run === 0) continue;
    found.pauses.push(...seen.pauses);
    found.halts.push(...seen.halts);
  }
  return found;
}

/** Of the sessions recorded since the last time. */
function takeTraces(traceDir: string): Times {
  const files = readdirSync(traceDir).map((name) => join(traceDir, name));
  const sessions = files.map((file) => parseTrace(readFileSync(file, 'utf8')));
  for (const file of files) rmSync(file);

  return { pauses: sessions.flatMap(pauseTimes), halts: sessions.flatMap(haltTimes) };
}

function figuresOf(path: string, { pauses, halts }: Times): Figure[] {
  const figures = (what: string, spans: readonly Span[]): Figure[] => {
    const all = spans.map(({ ms }) => ms);
    const own = spans.map(({ ownMs }) => ownMs);
    const name = `${path}: ${what}`;
    return [
      { name: `${name}, p50 of ${spans.length}`, value: percentile(all, 50), unit: 'ms', goal: '' },
      { name: `${name}, p95`, value: percentile(all, 95), unit: 'ms', goal: GOAL },
      { name: `${name}, ours alone, p95`, value: percentile(own, 95), unit: 'ms', goal: '' },
    ];
  };
  return [...figures('PAUSED → CONTINUE', pauses), ...figures('HALTED → filemark', halts)];
}
