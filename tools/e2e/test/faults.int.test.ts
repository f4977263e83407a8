// Each part of the system fails in the middle of a backup: the job ends well or with the right status, nothing stays
// held, nothing half-written is ever taken for an image, and the next job runs.

import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DAEMONS } from '../../launcher/plans.ts';
import { holdMidStream, thaw } from './mid-stream.ts';
import { type JobRow, type Site, startSite } from './site.ts';

let site: Site;

beforeAll(async () => {
  // One try a job: what a test waits for is the end of the try that it broke.
  site = await startSite({ env: { nbpem: { NBPEM_TRIES_MAX: '1' } } });
});

afterAll(() => site?.stop());

afterEach(async () => {
  // A test that failed while it held the filer must not hold up the next one.
  thaw(site);
  await site.system.waitReady();
  await site.nothingHeld();
});

const MINUTES = 180_000;

/** Valid images now: a fault must never add one for a job that failed. */
async function images(): Promise<string[]> {
  const { images: rows } = await site.bus.client('bpdbm').ListImages({ client: 'filer1' });
  return rows.map(({ backupId }) => backupId);
}

async function nextJobRuns(): Promise<void> {
  await site.nothingHeld();
  const row = await site.ended(await site.backup());
  expect(row.status, await site.details(row.jobId)).toBe(0);
}

async function expectFailed(
  row: JobRow,
  statuses: readonly number[],
  before: readonly string[],
): Promise<void> {
  expect(statuses, await site.details(row.jobId)).toContain(row.status);
  expect(await images()).toEqual(before);
}

test(
  'a filer that dies in mid-stream, its connection closed as at a clean end, is never success',
  async () => {
    const held = await holdMidStream(site);
    const before = await images();
    await site.filer.kill();
    await expectFailed(await site.ended(held.jobId), [99, 40], before);
    await site.restartFiler();
    await nextJobRuns();
  },
  MINUTES,
);

test(
  "bptm's drive process killed: status 82, and the drive is free again",
  async () => {
    const held = await holdMidStream(site);
    const before = await images();
    const bptm = site.system.child('bptm').pid!;
    const writer = biggestChild(bptm);
    process.kill(writer, 'SIGKILL');
    held.release();
    await expectFailed(await site.ended(held.jobId), [82], before);
    await nextJobRuns();
  },
  MINUTES,
);

test(
  'nats-server killed and started again: the backup goes on',
  async () => {
    const held = await holdMidStream(site);
    await site.system.nats?.kill();
    await site.system.nats?.restart();
    held.release();
    const row = await site.ended(held.jobId);
    expect(row.status, await site.details(row.jobId)).toBe(0);
  },
  MINUTES,
);

test(
  'PostgreSQL killed and started again: the backup goes on',
  async () => {
    const held = await holdMidStream(site);
    await site.system.postgres.kill();
    await site.system.postgres.restart();
    held.release();
    const row = await site.ended(held.jobId);
    expect(row.status, await site.details(row.jobId)).toBe(0);
  },
  MINUTES,
);

/** A daemon that holds the stream takes it along; every other one comes back and the job goes on. */
const ENDS_THE_JOB: Readonly<Record<string, readonly number[]>> = {
  bptm: [82, 50, 40],
  ndmpagent: [99, 50, 40],
  bpbrm: [0, 50, 40],
};

for (const daemon of DAEMONS) {
  test(
    `${daemon} killed in mid-backup and started again`,
    async () => {
      const held = await holdMidStream(site);
      const before = await images();
      await site.system.child(daemon).kill();
      await site.system.waitReady();
      held.release();
      const row = await site.ended(held.jobId);
      const expected = ENDS_THE_JOB[daemon] ?? [0];
      expect(expected, await site.details(row.jobId)).toContain(row.status);
      if (row.status !== 0) expect(await images()).toEqual(before);
      await nextJobRuns();
    },
    MINUTES,
  );
}

test(
  'cancel while data moves: status 150, and no image',
  async () => {
    const held = await holdMidStream(site);
    const before = await images();
    await site.bus.client('nbjm').CancelJob({ jobId: held.jobId, requester: 'test' });
    held.release();
    await expectFailed(await site.ended(held.jobId), [150], before);
  },
  MINUTES,
);

test(
  'cancel while the tape is mounted: status 150',
  async () => {
    const before = await images();
    const { pid } = site.system.child('ltid');
    process.kill(pid!, 'SIGSTOP');
    const jobId = await site.backup();
    try {
      await site.waitFor(jobId, 'mounting', ({ operation }) => operation === 'mounting');
      await site.bus.client('nbjm').CancelJob({ jobId, requester: 'test' });
    } finally {
      process.kill(pid!, 'SIGCONT');
    }
    await expectFailed(await site.ended(jobId), [150], before);
  },
  MINUTES,
);

/** The child that holds the most memory: the drive process at work has its ring, one of the pool has none. */
function biggestChild(parent: number): number {
  const rows = execFileSync('ps', ['--ppid', String(parent), '-o', 'pid=,rss='], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  return rows.sort((a, b) => b[1] - a[1])[0]![0];
}
