// An image that is larger than any volume, through every daemon: what must be true of it whoever writes the tapes.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fragment } from '@tapestry/contracts';
import { expect } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { type Site, writeNoise } from './site.ts';

/** Holds three quarters of that before early warning. */
export const CAPACITY_BYTES = 8_000_000;
const FILES = 25;
const FILE_BYTES = 1_100_000;
const VOLUMES = 5;
const READER = join(import.meta.dirname, '../../reader/read-tape.ts');

/** A tree that takes five volumes, or six when it begins behind another image. */
export function writeLargeTree(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (let n = 1; n <= FILES; n += 1) writeNoise(join(folder, `file-${n}.bin`), FILE_BYTES);
}

export interface Spanning {
  readonly site: Site;
  readonly client: string;
  readonly policy: string;
  /** What the client exports as /data and /restore. */
  readonly source: string;
  readonly restored: string;
}

/** Backs up, restores whole, then one file of the third volume, which mounts no other. */
export async function spanAndComeBack(spanning: Spanning): Promise<void> {
  const { site, client, policy, source, restored } = spanning;
  const bprd = site.bus.client('bprd');
  const requester = { user: 'test', host: 'test' };
  const asked = { requestId: `span-${policy}`, requester, policy, schedule: 'full', client };
  const { jobIds } = await bprd.SubmitBackup(asked);
  const backup = await site.ended(jobIds[0]!, 240_000);
  const told = await site.details(backup.jobId);
  expect(backup.status, told).toBe(0);
  const [image] = (await site.bus.client('bpdbm').ListImages({ client, policy })).images;
  const fragments = image!.fragments;
  const media = fragments.map(({ mediaId }) => mediaId);
  expect(new Set(media).size, told).toBeGreaterThanOrEqual(VOLUMES);
  for (const mediaId of media.slice(1)) expect(told).toContain(`continuing on volume ${mediaId}`);
  await expectVolumes(site, media);
  await site.nothingHeld();

  await restore(spanning, '/data');
  expect(compareTrees(source, restored).differences).toEqual([]);
  const onTapes = namesOnTapes(site, image!.backupId);
  expect(onTapes.filter((name) => name.endsWith('.bin'))).toHaveLength(FILES);

  const third = fragments[2]!;
  const name = await fileWithin(site, client, third);
  const details = await restore(spanning, `/data/${name}`, { from: '/data', to: '/restore/one' });
  expect(readdirSync(join(restored, 'one'))).toEqual([name]);
  const back = readFileSync(join(restored, 'one', name));
  expect(back.equals(readFileSync(join(source, name)))).toBe(true);
  expect([...details.matchAll(/mounting (\w+)/g)].map(([, mediaId]) => mediaId)).toEqual([
    third.mediaId,
  ]);
  await site.nothingHeld();
}

/** All but the last are full, and each knows of the image. */
async function expectVolumes(site: Site, media: readonly string[]): Promise<void> {
  const { volumes } = await site.bus.client('nbemm').ListVolumes({ assignedOnly: true });
  const FULL = 0x008;
  const found = media.map((mediaId) => volumes.find(({ volume }) => volume?.mediaId === mediaId));
  for (const row of found) expect(row?.images).toBeGreaterThanOrEqual(1);
  expect(found.map((row) => ((row?.statusBits ?? 0) & FULL) !== 0)).toEqual(
    media.map((_, at) => at < media.length - 1),
  );
}

async function restore(
  { site, client }: Spanning,
  path: string,
  rename = { from: '/data', to: '/restore' },
): Promise<string> {
  const { jobId } = await site.bus.client('bprd').SubmitRestore({
    ...{ requestId: `back-${client}-${path}`, requester: { user: 'test', host: 'test' }, client },
    renames: [{ from: Buffer.from(rename.from), to: Buffer.from(rename.to) }],
    paths: [Buffer.from(path)],
  });
  const row = await site.ended(jobId, 240_000);
  const details = await site.details(jobId);
  expect(row.status, details).toBe(0);
  return details;
}

/** A file that lies in this fragment, and nowhere else. */
async function fileWithin(site: Site, client: string, fragment: Fragment): Promise<string> {
  const { files } = await site.bus.client('bpdbm').ListFiles({
    ...{ client, path: Buffer.from('/data'), recursionDepth: 99, limit: 1_000 },
  });
  const found = files.find(
    ({ type, fhInfo, sizeBytes }) =>
      type === 'file' &&
      fhInfo >= fragment.streamBeginBytes &&
      fhInfo + sizeBytes + 100_000n < fragment.streamEndBytes,
  );
  return Buffer.from(found!.path).toString().slice('/data/'.length);
}

/** Members of an image, by the independent reader and GNU tar. */
function namesOnTapes(site: Site, backupId: string): string[] {
  const cartridges = join(site.dir, 'library/cartridges');
  const folders = readdirSync(cartridges).map((name) => join(cartridges, name));
  const maxBuffer = 256 * 1024 * 1024;
  const stream = execFileSync(process.execPath, [READER, 'extract', backupId, ...folders], {
    maxBuffer,
  });
  const list = execFileSync('tar', ['-tf', '-'], { input: stream, encoding: 'utf8', maxBuffer });
  return list.split('\n').filter((name) => name !== '');
}
