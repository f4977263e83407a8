// Writers that live keep what they write; what a dead one left is swept away, and its image can be written again.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asWrites, sampleFragment } from '../src/conformance/sample-fragment.ts';
import { createFileDisk, openFileDisk } from '../src/index.ts';

const IMAGE = { backupId: 'a_1', copy: 1 };
const owner = { grantId: 'g', epoch: 5n };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'disk-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function unfinished(): string[] {
  return readdirSync(dir).filter((name) => name.endsWith('.part'));
}

test('a live writer of another process is left alone, a dead one is swept away', async () => {
  await createFileDisk(dir);
  const script = join(import.meta.dirname, 'disk-holder.ts');
  const child = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => child.once('close', resolve));
  const disk = await openFileDisk({ dir });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(unfinished().length).toBe(1);
    expect(await disk.removeUnfinished()).toBe(0);
    await expect(disk.write(IMAGE, owner)).rejects.toMatchObject({ status: 'mediaInUse' });
    await expect(disk.delete(IMAGE)).rejects.toMatchObject({ status: 'mediaInUse' });
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
  expect(await disk.removeUnfinished()).toBe(1);
  expect(unfinished()).toEqual([]);
  expect(await disk.list()).toEqual([]);
  const sink = await disk.write(IMAGE, owner);
  await sink.writeBlocks(asWrites(sampleFragment(IMAGE, 1, 1)));
  await sink.writeFilemarks(1, 'sync');
  await sink.close();
  expect((await disk.list()).length).toBe(1);
  await disk.close();
});

test('a folder is a unit only after it was made one, and once', async () => {
  await expect(openFileDisk({ dir })).rejects.toMatchObject({ status: 'storageUnitMissing' });
  await expect(openFileDisk({ dir: join(dir, 'nothing') })).rejects.toMatchObject({
    status: 'storageUnitMissing',
  });
  await createFileDisk(join(dir, 'deep', 'unit'));
  await expect(createFileDisk(join(dir, 'deep', 'unit'))).rejects.toMatchObject({
    status: 'alreadyExists',
  });
  const disk = await openFileDisk({ dir: join(dir, 'deep', 'unit') });
  await disk.close();
  await disk.close();
  writeFileSync(join(dir, 'disk.sqlite'), 'no database at all');
  await expect(openFileDisk({ dir })).rejects.toMatchObject({ status: 'storageUnitMissing' });
});

test('what else lies in the folder is no fragment, and stays', async () => {
  await createFileDisk(dir);
  writeFileSync(join(dir, 'notes.txt'), 'mine');
  mkdirSync(join(dir, 'b_1_C1_F1.img'));
  const disk = await openFileDisk({ dir });
  expect(await disk.list()).toEqual([]);
  expect(await disk.removeUnfinished()).toBe(0);
  expect(readdirSync(dir)).toContain('notes.txt');
  await disk.close();
});
