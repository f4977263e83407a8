// A whole local job, from the command to its end, beside the same by NDMJOB's own client: both have an ndmpd copy one large file
// onto a virtual tape of its own. NDMJOB keeps no catalog, checks nothing, and sleeps about a second at its end.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createVirtualLibrary, FIRST_ADDRESS, openVirtualLibrary } from '@tapestry/storage';
import { type Filer, startFiler } from '../demo/filer.ts';
import { type Site, startSite, writeNoise } from '../e2e/test/site.ts';
import { ndmjobUnavailable, runNdmjob } from '../peers/start-ndmjob.ts';
import { type Figure, percentile } from './figures.ts';

const FILE_BYTES = 1024 ** 3;
const ROUNDS = 3;
const JOB_MS = 170_000;
/** Of 64 KiB, as ours: NDMJOB counts in 512 bytes. */
const RECORD_BLOCKS = '128';

export async function measurePeerJob(): Promise<Figure[]> {
  const reason = ndmjobUnavailable();
  const site = await startSite({ filerHasDrive: true });
  let peer: Filer | undefined;
  try {
    writeNoise(join(site.source, 'large'), FILE_BYTES);
    if (reason === undefined) peer = await startPeer(site);
    else process.stderr.write(`without NDMJOB beside it: ${reason}\n`);
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const own = await seconds(() => ownJob(site));
      const other = peer === undefined ? Number.NaN : await seconds(() => peerJob(site, peer!));
      if (round === 0) continue;
      ours.push(own);
      theirs.push(other);
    }
    return figuresOf(percentile(ours, 50), peer === undefined ? undefined : percentile(theirs, 50));
  } finally {
    await peer?.stop();
    await site.stop();
  }
}

function figuresOf(ours: number, theirs: number | undefined): Figure[] {
  const own: Figure = { name: 'local job of 1 GiB', value: ours, unit: 's', goal: '' };
  if (theirs === undefined) return [own];
  return [
    own,
    { name: 'the same by NDMJOB’s client', value: theirs, unit: 's', goal: '' },
    { name: 'local job / NDMJOB’s', value: (ours / theirs) * 100, unit: '%', goal: '' },
  ];
}

/** The same program with the same exports, and a library of its own with a tape in its drive. */
async function startPeer(site: Site): Promise<Filer> {
  const dir = join(site.dir, 'peer-library');
  const cartridges = [{ barcode: 'PEER01L8', capacityBytes: 16 * FILE_BYTES }];
  await createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges });
  const library = await openVirtualLibrary(dir);
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  await library.close();
  const flags = ['--library', dir];
  return startFiler({ dir: join(site.dir, 'peer'), exports: { data: site.source }, flags });
}

async function ownJob(site: Site): Promise<void> {
  const jobId = await site.backup();
  const { status } = await site.ended(jobId, JOB_MS);
  if (status !== 0) throw new Error(`job ${jobId}: ${await site.details(jobId)}`);
}

async function peerJob(site: Site, { host, port, user, password }: Filer): Promise<void> {
  const agent = `${host}:${port}/4m,${user},${password}`;
  const index = join(site.dir, 'peer-index');
  const what = ['-C', '/data', '-B', 'tar', '-b', RECORD_BLOCKS, '-I', index];
  const text = await runNdmjob(['-c', '-v', '-D', agent, '-f', 'drive0', ...what], JOB_MS);
  if (!text.includes('"Operation complete"')) throw new Error(`NDMJOB failed:\n${text}`);
  for (const name of readdirSync(site.dir)) {
    if (name.startsWith('peer-index')) rmSync(join(site.dir, name));
  }
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}
