// Every single call that changes a file of a disk storage unit fails, once or from then on. Each failure is a status or an
// end of the medium; a fragment that has its name is whole, one that was committed is there when power is lost in the end.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { expect, test } from 'vitest';
import { asWrites, sampleFragment } from '../src/conformance/sample-fragment.ts';
import type { FileLayer } from '../src/file-layer.ts';
import { createFileDisk, openFileDisk } from '../src/index.ts';
import { failing } from './failing-files.ts';
import { recordChanges } from './recording-files.ts';

const IMAGE = { backupId: 'a_1', copy: 1 };
const BLOCKS = 3;

/** Retries what is left of a fragment as long as the sink takes it; answers how many were committed. */
async function writeStubbornly(dir: string, files: FileLayer): Promise<number> {
  const disk = await openFileDisk({ dir, files });
  const sink = await disk.write(IMAGE, { grantId: 'g', epoch: 1n });
  let committed = 0;
  try {
    for (let tries = 0; committed < 3 && tries < 12; tries++) {
      const wanted = asWrites(sampleFragment(IMAGE, committed + 1, BLOCKS));
      const { block } = await sink.position();
      await sink.writeBlocks(wanted.slice(block));
      if ((await sink.position()).block < wanted.length) continue;
      await sink.writeFilemarks(1, 'sync');
      committed += 1;
    }
  } catch (error) {
    expect(error).toBeInstanceOf(StatusError);
  }
  await sink.close().catch((error) => expect(error).toBeInstanceOf(StatusError));
  await disk.close();
  return committed;
}

async function namesOfWhole(dir: string): Promise<number[]> {
  const disk = await openFileDisk({ dir });
  const listed = await disk.list();
  for (const { fragment, sizeBytes } of listed) {
    const wanted = Buffer.concat(sampleFragment(IMAGE, fragment, BLOCKS));
    expect(sizeBytes).toBe(wanted.length);
    const source = await disk.read(IMAGE);
    await source.locate({ file: fragment, block: 0 });
    const seen: Buffer[] = [];
    for (let i = 0; i < BLOCKS + 2; i++) {
      const into = Buffer.alloc(8192);
      const result = await source.readBlock(into);
      seen.push(into.subarray(0, result.kind === 'block' ? result.lengthBytes : 0));
    }
    await source.close();
    expect(Buffer.concat(seen).equals(wanted)).toBe(true);
  }
  await disk.removeUnfinished();
  await disk.close();
  return listed.map(({ fragment }) => fragment);
}

test('whichever call fails, a named fragment is whole and a committed one is named', async () => {
  const root = mkdtempSync(join(tmpdir(), 'disk-failing-'));
  const blank = join(root, 'blank');
  await createFileDisk(blank);
  let seed = 3;
  const draw = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  let failures = 0;
  let committedInAll = 0;
  try {
    for (const code of ['ENOSPC', 'EIO'] as const) {
      for (const forGood of [false, true]) {
        for (let call = 0; ; call++) {
          const dir = join(root, 'unit');
          rmSync(dir, { recursive: true, force: true });
          cpSync(blank, dir, { recursive: true });
          const recording = recordChanges(dir);
          const { files, calls } = failing(recording, { call, code, forGood });
          const committed = await writeStubbornly(dir, files);
          if (!calls.failed) break;
          failures += 1;
          committedInAll += committed;
          for (let variant = 0; variant < 3; variant++) {
            recording.crash(recording.length, join(root, 'crashed'), draw);
            const where = `${code} ${forGood ? 'from' : 'at'} call ${call}, variant ${variant}`;
            const named = await namesOfWhole(join(root, 'crashed'));
            const wanted = Array.from({ length: committed }, (_, i) => i + 1);
            expect(named, where).toEqual(expect.arrayContaining(wanted));
          }
        }
      }
    }
  } finally {
    rmSync(root, { recursive: true });
  }
  expect(failures).toBeGreaterThan(40);
  expect(committedInAll).toBeGreaterThan(failures / 2);
});
