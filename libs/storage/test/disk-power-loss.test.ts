// Power is lost at every change that a writer of a disk storage unit makes: a fragment that was committed is there byte
// for byte, one that has its name is whole, and what is left of the others can be swept away.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asWrites, sampleFragment } from '../src/conformance/sample-fragment.ts';
import {
  createFileDisk,
  type DiskStorage,
  type ImageCopy,
  openFileDisk,
  type StoredFragment,
} from '../src/index.ts';
import { recordChanges } from './recording-files.ts';

const IMAGES = ['a_1', 'b_1'].map((backupId) => ({ backupId, copy: 1 }));
const FRAGMENTS = 3;

interface Event {
  readonly what: string;
  readonly since: number;
}

/** Interleaves two images; answers from which change on each fragment was acknowledged, and which were to go. */
async function writeSome(disk: DiskStorage, changes: () => number) {
  const kept: Event[] = [];
  const deleted: Event[] = [];
  const sinks = await Promise.all(IMAGES.map((image) => disk.write(image, owner)));
  for (let fragment = 1; fragment <= FRAGMENTS; fragment++) {
    for (const [i, image] of IMAGES.entries()) {
      const sink = sinks[i]!;
      const blocks = asWrites(sampleFragment(image, fragment, 2));
      for (const block of blocks) await sink.writeBlocks([block]);
      await sink.writeFilemarks(1, 'sync');
      kept.push({ what: nameOf({ ...image, fragment }), since: changes() });
    }
  }
  await sinks[0]!.writeBlocks(asWrites(sampleFragment(IMAGES[0]!, 4, 1)));
  for (const sink of sinks) await sink.close();
  const before = changes();
  await disk.delete(IMAGES[1]!);
  deleted.push({ what: IMAGES[1]!.backupId, since: before });
  return { kept, deleted, gone: changes() };
}

const owner = { grantId: 'g', epoch: 1n };

function nameOf({ backupId, fragment }: ImageCopy & { fragment: number }): string {
  return `${backupId} ${fragment}`;
}

async function readsWhole(disk: DiskStorage, stored: StoredFragment): Promise<boolean> {
  const source = await disk.read(stored);
  await source.locate({ file: stored.fragment, block: 0 });
  const seen: Buffer[] = [];
  for (;;) {
    const into = Buffer.alloc(8192);
    const result = await source.readBlock(into);
    if (result.kind !== 'block') break;
    seen.push(into.subarray(0, result.lengthBytes));
  }
  await source.close();
  const wanted = sampleFragment(stored, stored.fragment, 2);
  return Buffer.concat(seen).equals(Buffer.concat(wanted));
}

test('whatever a lost power leaves, a fragment that has its name is whole and a committed one has its name', async () => {
  const root = mkdtempSync(join(tmpdir(), 'disk-power-'));
  const dir = join(root, 'unit');
  try {
    await createFileDisk(dir);
    const recording = recordChanges(dir);
    const writing = await openFileDisk({ dir, files: recording.files });
    const { kept, deleted, gone } = await writeSome(writing, () => recording.length);
    await writing.close();
    let seed = 1;
    const draw = () => {
      seed = (Math.imul(seed, 48_271) + 11) % 2_147_483_647;
      return Math.abs(seed) / 2_147_483_647;
    };
    let unfinished = 0;
    const crashed = join(root, 'crashed');
    for (let boundary = 0; boundary <= recording.length; boundary++) {
      for (let variant = 0; variant < 3; variant++) {
        recording.crash(boundary, crashed, draw);
        const disk = await openFileDisk({ dir: crashed });
        const found = await disk.list();
        const where = `change ${boundary}, variant ${variant}`;
        for (const each of found) expect(await readsWhole(disk, each), where).toBe(true);
        const names = found.map(nameOf);
        const [cut] = deleted;
        const wanted = kept
          .filter(({ since }) => since <= boundary)
          .filter(({ what }) => boundary <= cut!.since || !what.startsWith(cut!.what));
        expect(names, where).toEqual(expect.arrayContaining(wanted.map(({ what }) => what)));
        if (boundary >= gone) expect(names.length).toBe(FRAGMENTS);
        unfinished += await disk.removeUnfinished();
        expect(readdirSync(crashed).filter((file) => file.endsWith('.part'))).toEqual([]);
        expect(await disk.list()).toEqual(found);
        await disk.close();
      }
    }
    expect(unfinished).toBeGreaterThan(10);
  } finally {
    rmSync(root, { recursive: true });
  }
});
