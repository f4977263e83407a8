// What every Drive must do, as tests. Run it over an implementation: `driveConformance('memory', factory)`.

import { StatusError, type StatusName } from '@tapestry/status';
import { afterEach, describe, expect, test } from 'vitest';
import type { Drive, DriveOwner, ReadResult, WriteBlock } from '../drive.ts';

/** The cartridge that a test wants in the drive, empty. */
export interface WantedCartridge {
  readonly capacityBytes: number;
  readonly earlyWarningBytes: number;
  readonly writeProtected?: boolean;
  readonly worm?: boolean;
}

/** One drive with one cartridge in it, made for one test. */
export interface DriveFixture {
  open(owner: DriveOwner): Promise<Drive>;
  /** Ends what `open` started and removes everything. */
  dispose(): Promise<void>;
}

export interface DriveAbilities {
  /** Drives of other hosts know no epochs. Default true. */
  readonly fence?: boolean;
  /** The fixture can make cartridges of a given size, write-protected and write-once. Default true. */
  readonly media?: boolean;
  /** The device can end the medium without writing on it. Default true. */
  readonly erase?: boolean;
  /** Blocks that no filemark follows get one before the tape moves back or is given away, as NDMP wants. Default false. */
  readonly marksEnd?: boolean;
  /** The position tells the block also where the tape went back over a filemark; few devices count from behind. Default true. */
  readonly blockBehindMark?: boolean;
}

/** What is read behind a block that was written last. */
function endOf({ marksEnd = false }: DriveAbilities): ReadResult['kind'][] {
  return marksEnd ? ['filemark', 'endOfData'] : ['endOfData'];
}

export type DriveFactory = (wanted: WantedCartridge) => Promise<DriveFixture>;

const MIB = 1024 * 1024;
const ROOMY: WantedCartridge = { capacityBytes: 64 * MIB, earlyWarningBytes: MIB };

export function driveConformance(
  name: string,
  factory: DriveFactory,
  abilities: DriveAbilities = {},
): void {
  describe(`drive: ${name}`, () => {
    const fixtures: DriveFixture[] = [];
    afterEach(async () => {
      for (const fixture of fixtures.splice(0)) await fixture.dispose();
    });
    const make = async (wanted: WantedCartridge = ROOMY): Promise<DriveFixture> => {
      const fixture = await factory(wanted);
      fixtures.push(fixture);
      return fixture;
    };
    const open = async (wanted?: WantedCartridge): Promise<Drive> =>
      (await make(wanted)).open(owner(1));

    readAndWrite(open, endOf(abilities));
    positions(open);
    spacing(open, abilities);
    if (abilities.erase !== false) erasing(open);
    lifeCycle(open, make, endOf(abilities));
    if (abilities.media !== false) mediaLimits(open, abilities);
    if (abilities.fence !== false) fences(make);
  });
}

type Open = (wanted?: WantedCartridge) => Promise<Drive>;
type Make = (wanted?: WantedCartridge) => Promise<DriveFixture>;

export function owner(epoch: number): DriveOwner {
  return { grantId: `grant-${epoch}`, epoch: BigInt(epoch) };
}

function readAndWrite(open: Open, end: readonly ReadResult['kind'][]): void {
  test('blocks of any size come back in order, whatever parts they were given in', async () => {
    const drive = await open();
    const sizes = [1, 63, 64, 65, 1000, 65_536];
    const written = await drive.writeBlocks([
      ...sizes.map((size, i) => block(size, i)),
      { parts: [fill(10, 7), fill(0, 0), fill(100, 8)] },
    ]);
    expect(written).toEqual({ written: 7, earlyWarning: false, endOfMedium: false });
    await drive.rewind();
    for (const [i, size] of sizes.entries()) expect(await readBytes(drive)).toEqual(fill(size, i));
    expect(await readBytes(drive)).toEqual(Buffer.concat([fill(10, 7), fill(100, 8)]));
    for (const kind of [...end, 'endOfData']) {
      expect(await drive.readBlock(Buffer.alloc(8))).toEqual({ kind });
    }
  });

  test('a filemark is met once and the position is behind it', async () => {
    const drive = await open();
    await drive.writeBlocks([block(100, 1)]);
    expect((await drive.writeFilemarks(2, 'sync')).written).toBe(2);
    await drive.writeBlocks([block(200, 2)]);
    await drive.rewind();
    expect(await kinds(drive)).toEqual(['block', 'filemark', 'filemark', 'block', ...end]);
  });

  test('a block longer than the buffer gives its first bytes and its length, and is passed', async () => {
    const drive = await open();
    await drive.writeBlocks([block(1000, 1), block(10, 2)]);
    await drive.rewind();
    const into = Buffer.alloc(100);
    expect(await drive.readBlock(into)).toEqual({ kind: 'oversize', lengthBytes: 1000 });
    expect(into.equals(fill(100, 1))).toBe(true);
    expect(await readBytes(drive)).toEqual(fill(10, 2));
  });

  test('writing ends the medium behind what is written', async () => {
    const drive = await open();
    await drive.writeBlocks([block(10, 1), block(10, 2), block(10, 3)]);
    await drive.writeFilemarks(1, 'buffered');
    await drive.locate({ file: 0, block: 1 });
    await drive.writeBlocks([block(20, 9)]);
    expect((await drive.readBlock(Buffer.alloc(64))).kind).toBe('endOfData');
    await drive.rewind();
    expect(await readBytes(drive)).toEqual(fill(10, 1));
    expect(await readBytes(drive)).toEqual(fill(20, 9));
    expect(await kinds(drive)).toEqual(end);
  });

  test('an empty batch and no filemarks change nothing, wherever the tape stands', async () => {
    const drive = await open();
    await drive.writeBlocks([block(10, 1), block(10, 2)]);
    await drive.rewind();
    expect((await drive.writeBlocks([])).written).toBe(0);
    expect((await drive.writeFilemarks(0, 'sync')).written).toBe(0);
    expect(await kinds(drive)).toEqual(['block', 'block', ...end]);
  });

  test('sizes outside the limits are refused', async () => {
    const drive = await open();
    const { maxBytes } = await drive.blockLimits();
    await expectStatus(drive.writeBlocks([{ parts: [] }]), 'invalidParameter');
    await expectStatus(
      drive.writeBlocks([{ parts: [Buffer.alloc(maxBytes + 1)] }]),
      'invalidParameter',
    );
    await expectStatus(drive.writeFilemarks(-1, 'sync'), 'invalidParameter');
    expect((await drive.position()).object ?? 0).toBe(0);
  });
}

/** Objects 0–9: two blocks, mark, mark, three blocks, mark, one block, one block. */
async function patterned(open: Open): Promise<Drive> {
  const drive = await open();
  await drive.writeBlocks([block(10, 0), block(10, 1)]);
  await drive.writeFilemarks(2, 'sync');
  await drive.writeBlocks([block(30, 4), block(30, 5), block(31, 6)]);
  await drive.writeFilemarks(1, 'sync');
  await drive.writeBlocks([block(10, 8), block(10, 9)]);
  return drive;
}

function positions(open: Open): void {
  test('position counts objects, files and blocks within the file', async () => {
    const drive = await patterned(open);
    const seen = [];
    await drive.rewind();
    for (let i = 0; i <= 10; i++) {
      const { object, file, block: inFile } = await drive.position();
      expect(object ?? i).toBe(i);
      seen.push(`${file}.${inFile}`);
      await drive.readBlock(Buffer.alloc(64));
    }
    expect(seen.join(' ')).toBe('0.0 0.1 0.2 1.0 2.0 2.1 2.2 2.3 3.0 3.1 3.2');
  });

  test('locate reaches every object, and every block of every file', async () => {
    const drive = await patterned(open);
    const byFile = ['0.0', '0.1', '0.2', '1.0', '2.0', '2.1', '2.2', '2.3', '3.0', '3.1', '3.2'];
    for (const [object, place] of byFile.entries()) {
      const [file = 0, inFile = 0] = place.split('.').map(Number);
      await drive.locate({ file, block: inFile });
      expect(await drive.position()).toMatchObject({ file, block: inFile });
      if ((await drive.position()).object === null) continue;
      await drive.locate({ object });
      expect(await drive.position()).toEqual({ object, file, block: inFile });
    }
    await drive.locate('endOfData');
    expect((await drive.readBlock(Buffer.alloc(64))).kind).toBe('endOfData');
    await drive.locate({ file: 2, block: 2 });
    expect(await readBytes(drive)).toEqual(fill(31, 6));
  });

  test('a target that is not on the medium is a position error', async () => {
    const drive = await patterned(open);
    await expectStatus(drive.locate({ file: 4, block: 0 }), 'mediaPositionError');
    await expectStatus(drive.locate({ file: 0, block: 3 }), 'mediaPositionError');
    await expectStatus(drive.locate({ file: 3, block: 3 }), 'mediaPositionError');
  });
}

function spacing(open: Open, { marksEnd = false, blockBehindMark = true }: DriveAbilities): void {
  test('spacing over filemarks ends behind them ahead, and before them back', async () => {
    const drive = await patterned(open);
    await drive.rewind();
    expect(await drive.spaceFilemarks(3)).toEqual({ spaced: 3, stoppedAt: null });
    expect(await readBytes(drive)).toEqual(fill(10, 8));
    expect(await drive.spaceFilemarks(-1)).toEqual({ spaced: 1, stoppedAt: null });
    expect((await drive.readBlock(Buffer.alloc(64))).kind).toBe('filemark');
    if (marksEnd) expect(await drive.spaceFilemarks(1)).toEqual({ spaced: 1, stoppedAt: null });
    expect(await drive.spaceFilemarks(1)).toEqual({ spaced: 0, stoppedAt: 'endOfData' });
    const marks = marksEnd ? 4 : 3;
    expect(await drive.spaceFilemarks(-5)).toEqual({ spaced: marks, stoppedAt: 'beginning' });
    expect(await drive.position()).toMatchObject({ file: 0, block: 0 });
  });

  test('spacing over blocks stops behind a filemark ahead, and before one back', async () => {
    const drive = await patterned(open);
    await drive.rewind();
    expect(await drive.spaceBlocks(1)).toEqual({ spaced: 1, stoppedAt: null });
    expect(await drive.spaceBlocks(5)).toEqual({ spaced: 1, stoppedAt: 'filemark' });
    expect(await drive.position()).toMatchObject({ file: 1, block: 0 });
    await drive.locate({ file: 3, block: 1 });
    const stoppedAt = marksEnd ? 'filemark' : 'endOfData';
    expect(await drive.spaceBlocks(9)).toEqual({ spaced: 1, stoppedAt });
    if (marksEnd) await drive.spaceFilemarks(-1);
    expect(await drive.spaceBlocks(-9)).toEqual({ spaced: 2, stoppedAt: 'filemark' });
    if (blockBehindMark) expect(await drive.position()).toMatchObject({ file: 2, block: 3 });
    expect(await drive.spaceBlocks(-2)).toEqual({ spaced: 2, stoppedAt: null });
    expect(await readBytes(drive)).toEqual(fill(30, 5));
    await drive.locate({ file: 0, block: 1 });
    expect(await drive.spaceBlocks(-2)).toEqual({ spaced: 1, stoppedAt: 'beginning' });
  });
}

function erasing(open: Open): void {
  test('erase ends the medium at the position', async () => {
    const drive = await patterned(open);
    await drive.locate({ file: 1, block: 0 });
    await drive.erase();
    await drive.rewind();
    expect(await kinds(drive)).toEqual(['block', 'block', 'filemark', 'endOfData']);
    await drive.rewind();
    await drive.erase();
    expect(await kinds(drive)).toEqual(['endOfData']);
    await drive.writeBlocks([block(5, 5)]);
    await drive.rewind();
    expect(await readBytes(drive)).toEqual(fill(5, 5));
  });
}

function lifeCycle(open: Open, make: Make, end: readonly ReadResult['kind'][]): void {
  test('what was written is there for the next owner, who starts at the beginning', async () => {
    const fixture = await make();
    const first = await fixture.open(owner(1));
    await first.writeBlocks([block(1000, 1)]);
    await first.writeFilemarks(1, 'sync');
    await first.close();
    await first.close();
    const second = await fixture.open(owner(2));
    await second.rewind();
    expect(await readBytes(second)).toEqual(fill(1000, 1));
    expect(await kinds(second)).toEqual(['filemark', 'endOfData']);
    await second.writeBlocks([block(10, 2)]);
    await second.rewind();
    expect(await kinds(second)).toEqual(['block', 'filemark', 'block', ...end]);
  });

  test('after unload nothing is loaded and nothing can be read', async () => {
    const drive = await open();
    await drive.writeBlocks([block(10, 1)]);
    expect(await drive.loadState()).toMatchObject({ loaded: true });
    await drive.unload();
    expect(await drive.loadState()).toMatchObject({ loaded: false });
    await expectStatus(drive.readBlock(Buffer.alloc(64)), 'driveNotReady');
    await expectStatus(drive.writeBlocks([block(10, 1)]), 'driveNotReady');
    await expectStatus(drive.rewind(), 'driveNotReady');
  });
}

function mediaLimits(open: Open, abilities: DriveAbilities): void {
  const small = { capacityBytes: 8 * MIB, earlyWarningBytes: 2 * MIB };
  /** Sixteen times that what a MiB takes of the drive's largest blocks. */
  const batchFor = async (drive: Drive) => {
    const size = Math.min(MIB, (await drive.blockLimits()).maxBytes);
    const perMib = MIB / size;
    return { perMib, batch: Array.from({ length: 16 * perMib }, (_, i) => block(size, i % 200)) };
  };

  test('a batch stops at early warning, goes on behind it, and ends with the medium', async () => {
    const drive = await open(small);
    const { batch, perMib } = await batchFor(drive);
    const first = await drive.writeBlocks(batch);
    expect(first).toMatchObject({ earlyWarning: true, endOfMedium: false });
    const blocks = first.written;
    if (perMib === 1) expect(blocks).toBe(6);
    const second = await drive.writeBlocks(batch.slice(blocks));
    expect(second).toMatchObject({ earlyWarning: true, endOfMedium: true });
    if (perMib === 1) expect(second.written).toBe(1);
    expect(await drive.writeBlocks(batch.slice(0, 1))).toEqual({
      written: 0,
      earlyWarning: true,
      endOfMedium: true,
    });
    // A trailer and filemarks still find room in what early warning kept free.
    expect(await drive.writeBlocks([block(1024, 7)])).toMatchObject({ written: 1 });
    expect(await drive.writeFilemarks(1, 'sync')).toMatchObject({ written: 1, endOfMedium: false });
    await drive.rewind();
    for (const { parts } of batch.slice(0, blocks + second.written)) {
      expect((await readBytes(drive)).equals(parts[0] as Buffer)).toBe(true);
    }
    expect(await readBytes(drive)).toEqual(fill(1024, 7));
    expect(await kinds(drive)).toEqual(['filemark', 'endOfData']);
  });

  test('overwriting gives the room back', async () => {
    const drive = await open(small);
    const { batch, perMib } = await batchFor(drive);
    await drive.writeBlocks(batch);
    await drive.rewind();
    expect(await drive.writeBlocks(batch.slice(0, 3 * perMib))).toEqual({
      written: 3 * perMib,
      earlyWarning: false,
      endOfMedium: false,
    });
    const capacity = await drive.capacity();
    if (capacity) expect(capacity.usedBytes).toBeLessThan(4 * MIB);
  });

  test('a write-protected cartridge can be read and not written', async () => {
    const drive = await open({ ...ROOMY, writeProtected: true });
    expect(await drive.loadState()).toMatchObject({ loaded: true, writeProtected: true });
    await expectStatus(drive.writeBlocks([block(10, 1)]), 'writeProtected');
    await expectStatus(drive.writeFilemarks(1, 'sync'), 'writeProtected');
    if (abilities.erase !== false) await expectStatus(drive.erase(), 'writeProtected');
    expect(await drive.readBlock(Buffer.alloc(64))).toEqual({ kind: 'endOfData' });
  });

  test('a write-once cartridge grows and never loses anything', async () => {
    const drive = await open({ ...ROOMY, worm: true });
    await drive.writeBlocks([block(10, 1)]);
    await drive.writeFilemarks(1, 'sync');
    await drive.writeBlocks([block(10, 2)]);
    await drive.rewind();
    await expectStatus(drive.writeBlocks([block(10, 3)]), 'writeProtected');
    if (abilities.erase !== false) await expectStatus(drive.erase(), 'writeProtected');
    expect(await kinds(drive)).toEqual(['block', 'filemark', 'block', ...endOf(abilities)]);
  });
}

function fences(make: Make): void {
  test('a higher epoch ends the rights of the owner before, in every call', async () => {
    const fixture = await make();
    const old = await fixture.open(owner(5));
    await old.writeBlocks([block(10, 1)]);
    await old.writeFilemarks(1, 'sync');
    const young = await fixture.open(owner(6));
    await expectStatus(old.writeBlocks([block(10, 66)]), 'staleGrant');
    await expectStatus(old.writeFilemarks(1, 'sync'), 'staleGrant');
    await expectStatus(old.readBlock(Buffer.alloc(64)), 'staleGrant');
    await expectStatus(old.locate('endOfData'), 'staleGrant');
    await expectStatus(old.erase(), 'staleGrant');
    await expectStatus(old.unload(), 'staleGrant');
    expect(await kinds(young)).toEqual(['block', 'filemark', 'endOfData']);
    await young.writeBlocks([block(10, 2)]);
    await young.rewind();
    expect(await kinds(young)).toEqual(['block', 'filemark', 'block', 'endOfData']);
    await old.close().catch((error) => expect(error).toBeInstanceOf(StatusError));
    expect(await young.loadState()).toMatchObject({ loaded: true });
  });

  test('a lower epoch is refused for good, the same one while its owner lives', async () => {
    const fixture = await make();
    const first = await fixture.open(owner(5));
    await expectStatus(fixture.open(owner(4)), 'staleGrant');
    await expectStatus(fixture.open(owner(5)), 'mediaInUse');
    await first.close();
    await expectStatus(fixture.open(owner(4)), 'staleGrant');
    await fixture.open(owner(5));
  });
}

export function fill(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes, seed);
  for (let i = 0; i < bytes; i += 61) buffer[i] = (seed * 31 + i) & 0xff;
  return buffer;
}

export function block(bytes: number, seed: number): WriteBlock {
  return { parts: [fill(bytes, seed)] };
}

export async function readBytes(drive: Drive): Promise<Buffer> {
  const into = Buffer.alloc(2 * MIB);
  const result = await drive.readBlock(into);
  expect(result.kind).toBe('block');
  return into.subarray(0, result.kind === 'block' ? result.lengthBytes : 0);
}

/** Reads on to the end of data. */
export async function kinds(drive: Drive): Promise<ReadResult['kind'][]> {
  const seen: ReadResult['kind'][] = [];
  const into = Buffer.alloc(MIB);
  while (seen.at(-1) !== 'endOfData') seen.push((await drive.readBlock(into)).kind);
  return seen;
}

export async function expectStatus(promise: Promise<unknown>, status: StatusName): Promise<void> {
  await expect(promise).rejects.toMatchObject({ name: 'StatusError', status });
}
