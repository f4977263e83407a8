// There is never a second writer: neither of two live owners, nor a late write of one that lost the drive.

import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { hostFiles } from '../src/file-layer.ts';
import {
  FIRST_ADDRESS,
  openVirtualDrive,
  openVirtualLibrary,
  releaseVirtualDrive,
  type VirtualDrive,
} from '../src/index.ts';
import { blockOf, makeVirtualBench, tapeText, type VirtualBench } from './virtual-bench.ts';

const benches: VirtualBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.dispose();
});
async function make(): Promise<VirtualBench> {
  const bench = await makeVirtualBench();
  benches.push(bench);
  return bench;
}

/** A process that holds the drive until it is killed. */
async function holder(bench: VirtualBench, epoch: number) {
  const script = join(import.meta.dirname, 'crash-writer.ts');
  const child = spawn(process.execPath, [script, bench.dir, String(epoch), '3'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const end = new Promise((resolve) => child.once('close', resolve));
  child.stdout.resume();
  return { child, end };
}

test('a drive of another live process is refused, and free once that process is dead', async () => {
  const bench = await make();
  const { child, end } = await holder(bench, 5);
  const owner = { grantId: 'other', epoch: 5n };
  const library = await openVirtualLibrary(bench.dir);
  const move = () => library.move(FIRST_ADDRESS.drive, FIRST_ADDRESS.slot);
  try {
    await expect(bench.open({ owner })).rejects.toMatchObject({ status: 'mediaInUse' });
    await expect(move()).rejects.toMatchObject({ status: 'mediaInUse' });
  } finally {
    child.kill('SIGKILL');
    await end;
  }
  const drive = await bench.open({ owner });
  await drive.close();
  await move();
  await library.close();
});

test('another live process is fenced by a higher epoch and ends itself', async () => {
  const bench = await make();
  const { end } = await holder(bench, 5);
  const drive = await bench.open({ owner: { grantId: 'young', epoch: 6n } });
  // Its next write throws staleGrant, which ends the process: no kill here.
  await end;
  await drive.rewind();
  const { object } = await drive.position();
  expect(object).toBe(0);
  await drive.writeBlocks([blockOf(1, 100)]);
  await drive.writeFilemarks(1, 'sync');
  expect(await tapeText(drive)).toBe('1:100 *');
});

test('what a fenced owner still had under way never becomes part of the tape', async () => {
  const bench = await make();
  const old = await bench.open();
  await old.writeBlocks([blockOf(1, 1000)]);
  await old.writeFilemarks(1, 'sync');
  const [segment = ''] = bench.segments();
  // The record that the old owner writes next, as it would lie behind the last one.
  const whole = readFileSync(segment).length;
  await old.writeBlocks([blockOf(2, 1000)]);
  const late = readFileSync(segment).subarray(whole);
  const young = await bench.open();
  await young.locate({ file: 1, block: 0 });
  await young.writeBlocks([blockOf(7, 70)]);
  await young.writeFilemarks(1, 'sync');
  // A gather write that began before the fence arrives now, at the old end and behind it.
  const fd = openSync(segment, 'r+');
  writeSync(fd, late, 0, late.length, whole);
  closeSync(fd);
  appendFileSync(segment, late);
  expect(await tapeText(young)).toBe('1:1000 * 7:70 *');
  await young.close();
  expect(await tapeText(await bench.open())).toBe('1:1000 * 7:70 *');
});

test('a filemark that reaches the disk after the fence is not acknowledged', async () => {
  const bench = await make();
  const taken: Promise<VirtualDrive>[] = [];
  const old = await bench.open({
    files: {
      ...hostFiles,
      write: (fd, buffers, position) => {
        // The other owner takes the drive between the check and the write of a record.
        if (position !== null && position >= 128) taken.push(bench.open());
        return hostFiles.write(fd, buffers, position);
      },
    },
  });
  await expect(old.writeFilemarks(1, 'sync')).rejects.toMatchObject({ status: 'staleGrant' });
  expect(taken.length).toBe(1);
  expect(await (await taken[0])?.loadState()).toMatchObject({ loaded: true });
});

test('a cut by a fenced owner changes nothing', async () => {
  const bench = await make();
  const old = await bench.open();
  await old.writeBlocks([blockOf(1, 1000), blockOf(2, 1000)]);
  await old.writeFilemarks(1, 'sync');
  await old.rewind();
  const young = await bench.open();
  await young.loadState();
  await expect(old.writeBlocks([blockOf(9, 10)])).rejects.toMatchObject({ status: 'staleGrant' });
  await expect(old.erase()).rejects.toMatchObject({ status: 'staleGrant' });
  await expect(old.close()).rejects.toMatchObject({ status: 'staleGrant' });
  await young.close();
  expect(await tapeText(await bench.open())).toBe('1:1000 2:1000 *');
});

test('a drive that does not exist is a status, not a crash', async () => {
  const bench = await make();
  const owner = { grantId: 'g', epoch: 1n };
  const open = (libraryDir: string, driveIndex: number) =>
    openVirtualDrive({ libraryDir, driveIndex, owner });
  await expect(open(bench.dir, 9)).rejects.toMatchObject({ status: 'mediaOpenError' });
  await expect(open('/nowhere', 0)).rejects.toMatchObject({ status: 'mediaOpenError' });
});

test('what a dead thread held is given back for it, and only that', async () => {
  const bench = await make();
  const owner = { grantId: 'thread', epoch: 5n };
  const drive = await bench.open({ owner });
  await drive.writeBlocks([blockOf(1, 100)]);
  const place = { libraryDir: bench.dir, driveIndex: 0 };
  releaseVirtualDrive({ ...place, grantId: 'other' });
  await expect(bench.open({ owner })).rejects.toMatchObject({ status: 'mediaInUse' });
  releaseVirtualDrive({ ...place, grantId: owner.grantId });
  await expect(drive.writeBlocks([blockOf(2, 100)])).rejects.toMatchObject({
    status: 'staleGrant',
  });
  const next = await bench.open({ owner: { ...owner, grantId: 'next' } });
  releaseVirtualDrive({ ...place, grantId: owner.grantId });
  await next.writeFilemarks(1, 'sync');
  await next.close();
});
