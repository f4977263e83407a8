// Append: nothing is overwritten before label and last trailer were read back and agree.

import { beforeEach, expect, test } from 'vitest';
import {
  createMemoryLibrary,
  type Drive,
  type ExpectedAppendPoint,
  FIRST_ADDRESS,
  FragmentReader,
  readVolumeLabel,
  verifyAppendPoint,
  writeVolumeLabel,
} from '../src/index.ts';
import { sampleHeader, writeFragment } from './media-samples.ts';

const label = { mediaId: 'A00001', assignedMs: 1_767_225_600_000n, pool: 'NetBackup' };
const noDigest = new Uint8Array();
let drive: Drive;

beforeEach(async () => {
  const cartridges = [{ barcode: 'A00001L8', capacityBytes: 8 * 1024 * 1024 }];
  const library = createMemoryLibrary({ drives: 1, slots: 1, cartridges });
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  drive = await library.openDrive(0, { grantId: 'g', epoch: 1n });
});

const expected = { ...label, fileNumber: 1, object: 3, digest: noDigest };

test('a fresh volume is blank, then labelled, then appended to behind its label', async () => {
  expect(await readVolumeLabel(drive)).toEqual({ kind: 'blank' });
  await writeVolumeLabel(drive, label);
  expect(await readVolumeLabel(drive)).toEqual({ kind: 'ours', label });
  expect(await verifyAppendPoint(drive, expected)).toEqual({
    lastTrailer: null,
    unclosedTail: false,
  });
  expect(await drive.position()).toEqual({ object: 3, file: 1, block: 0 });
});

test('the append point is behind the last closed fragment, and an unclosed tail is told', async () => {
  await writeVolumeLabel(drive, label);
  await writeFragment(drive, sampleHeader({ fileNumber: 1 }), Buffer.alloc(5000, 1));
  const { digest } = await writeFragment(drive, sampleHeader({ fileNumber: 2 }), Buffer.alloc(99));
  const { object } = await drive.position();
  const record = { ...label, fileNumber: 3, object, digest };
  const clean = await verifyAppendPoint(drive, record);
  expect(clean).toMatchObject({ lastTrailer: { fileNumber: 2 }, unclosedTail: false });
  await drive.writeBlocks([{ parts: [Buffer.alloc(1000)] }]);
  const torn = await verifyAppendPoint(drive, { ...record, object: null });
  expect(torn).toMatchObject({ lastTrailer: { fileNumber: 2 }, unclosedTail: true });
  expect(await drive.position()).toEqual({ object, file: 3, block: 0 });
});

test('a record that does not agree with the tape stops the append and changes nothing', async () => {
  await writeVolumeLabel(drive, label);
  const { digest } = await writeFragment(drive, sampleHeader(), Buffer.alloc(5000, 1));
  await drive.writeBlocks([{ parts: [Buffer.alloc(10)] }]);
  await drive.writeFilemarks(1, 'sync');
  const { object } = await drive.position();
  const record: ExpectedAppendPoint = { ...label, fileNumber: 2, object: null, digest };
  const refuses = async (over: Partial<ExpectedAppendPoint>, status: string) =>
    expect(verifyAppendPoint(drive, { ...record, ...over })).rejects.toMatchObject({ status });
  await refuses({ mediaId: 'A00002' }, 'wrongTape');
  await refuses({ assignedMs: 5n }, 'wrongTape');
  await refuses({ digest: Buffer.alloc(32) }, 'mediaPositionError');
  await refuses({ object: 4 }, 'mediaPositionError');
  await refuses({ fileNumber: 0 }, 'mediaPositionError');
  await refuses({ fileNumber: 9 }, 'mediaPositionError');
  // File 3 ends with a block that is no trailer.
  await refuses({ fileNumber: 3 }, 'mediaPositionError');
  await verifyAppendPoint(drive, record);
  await drive.locate('endOfData');
  expect((await drive.position()).object).toBe(object);
});

test('a blank or foreign tape is never taken for the volume', async () => {
  await expect(verifyAppendPoint(drive, expected)).rejects.toMatchObject({
    status: 'cannotReadMediaHeader',
  });
  await drive.writeBlocks([{ parts: [Buffer.from('somebody else')] }]);
  await expect(verifyAppendPoint(drive, expected)).rejects.toMatchObject({
    status: 'cannotReadMediaHeader',
  });
});

test('a fragment on a tape is read from its file by header, blocks, trailer, filemark', async () => {
  await writeVolumeLabel(drive, label);
  const stream = Buffer.alloc(5000, 7);
  await writeFragment(drive, sampleHeader(), stream);
  await drive.locate({ file: 1, block: 0 });
  const into = Buffer.alloc(65_536);
  const next = async () => {
    const result = await drive.readBlock(into);
    return result.kind === 'block' ? into.subarray(0, result.lengthBytes) : null;
  };
  const reader = new FragmentReader((await next()) as Buffer);
  let bytes = 0;
  for (let block = await next(); block; block = await next()) {
    const accepted = reader.accept(block);
    if (accepted.kind === 'data') bytes += accepted.payload.length;
    else expect(accepted.verified).toBe(true);
  }
  expect(bytes).toBe(stream.length);
});
