// What every DiskStorage must do, as tests. Run it over an implementation: `diskConformance('memory', factory)`.

import { afterEach, describe, expect, test } from 'vitest';
import type { DiskSource, DiskStorage } from '../disk.ts';
import { FragmentReader } from '../format/fragment-reader.ts';
import { expectStatus, owner } from './drive-conformance.ts';
import { asWrites, SAMPLE_BLOCK_BYTES, sampleFragment } from './sample-fragment.ts';

/** A storage unit made for one test: it holds at most `limitBytes`, full from 90 percent on, emptied to 50. */
export interface DiskFixture {
  readonly disk: DiskStorage;
  /** A second view of the same unit; what one commits, the other sees. */
  reopen(): Promise<DiskStorage>;
  dispose(): Promise<void>;
}

export type DiskFactory = (limitBytes: number) => Promise<DiskFixture>;

const MIB = 1024 * 1024;
const IMAGE = { backupId: 'filer1_1700000000', copy: 1 };

export function diskConformance(name: string, factory: DiskFactory): void {
  describe(`disk storage: ${name}`, () => {
    const fixtures: DiskFixture[] = [];
    afterEach(async () => {
      for (const fixture of fixtures.splice(0)) await fixture.dispose();
    });
    const make = async (limitBytes = 16 * MIB): Promise<DiskFixture> => {
      const fixture = await factory(limitBytes);
      fixtures.push(fixture);
      return fixture;
    };
    writesAndReads(make);
    commits(make);
    limits(make);
    owners(make);
  });
}

type Make = (limitBytes?: number) => Promise<DiskFixture>;

/** Writes fragments with so many data blocks each. */
async function store(disk: DiskStorage, fragments: readonly number[], image = IMAGE, epoch = 1) {
  const sink = await disk.write(image, owner(epoch));
  for (const [i, dataBlocks] of fragments.entries()) {
    await sink.writeBlocks(asWrites(sampleFragment(image, i + 1, dataBlocks)));
    await sink.writeFilemarks(1, 'sync');
  }
  await sink.close();
}

async function readNext(source: DiskSource): Promise<Buffer | string> {
  const into = Buffer.alloc(64 * 1024);
  const result = await source.readBlock(into);
  return result.kind === 'block' ? into.subarray(0, result.lengthBytes) : result.kind;
}

function writesAndReads(make: Make): void {
  test('fragments come back block by block, each ended as by a filemark', async () => {
    const { disk, reopen } = await make();
    await store(disk, [3, 1]);
    for (const view of [disk, await reopen()]) {
      const source = await view.read(IMAGE);
      for (const fragment of [1, 2]) {
        const [header, ...rest] = sampleFragment(IMAGE, fragment, fragment === 1 ? 3 : 1);
        const first = await readNext(source);
        expect(first).toEqual(header);
        const reader = new FragmentReader(first as Buffer);
        let last: unknown;
        for (const block of rest) {
          const read = await readNext(source);
          expect(read).toEqual(block);
          last = reader.accept(read as Buffer);
        }
        expect(last).toMatchObject({ kind: 'trailer', verified: true });
        expect(await readNext(source)).toBe('filemark');
      }
      expect(await readNext(source)).toBe('endOfData');
      expect(await readNext(source)).toBe('endOfData');
      await source.close();
      await source.close();
    }
  });

  test('any block of any fragment is found by its number', async () => {
    const { disk } = await make();
    await store(disk, [5, 2]);
    const source = await disk.read(IMAGE);
    const all = [sampleFragment(IMAGE, 1, 5), sampleFragment(IMAGE, 2, 2)];
    for (const [file, block] of [
      [2, 3],
      [1, 4],
      [1, 0],
      [1, 6],
      [2, 1],
    ] as const) {
      await source.locate({ file, block });
      expect(await readNext(source)).toEqual(all[file - 1]?.[block]);
    }
    for (const [file, block] of [
      [3, 0],
      [0, 0],
      [1, 7],
      [1, -1],
    ] as const) {
      await expectStatus(source.locate({ file, block }), 'mediaPositionError');
    }
    const nothing = await disk.read({ ...IMAGE, copy: 2 });
    expect(await readNext(nothing)).toBe('endOfData');
  });

  test('a block longer than the buffer gives its first bytes and its length, and is passed', async () => {
    const { disk } = await make();
    await store(disk, [2]);
    const source = await disk.read(IMAGE);
    await source.locate({ file: 1, block: 1 });
    for (const bytes of [10, 100]) {
      const into = Buffer.alloc(bytes);
      const wanted = { kind: 'oversize', lengthBytes: SAMPLE_BLOCK_BYTES };
      expect(await source.readBlock(into)).toEqual(wanted);
      expect(into.toString('latin1', 0, 8)).toBe('TPSTRYB1');
    }
  });

  test('position counts blocks, fragments and their ends', async () => {
    const { disk } = await make();
    const sink = await disk.write(IMAGE, owner(1));
    expect(await sink.position()).toEqual({ object: 0, file: 1, block: 0 });
    await sink.writeBlocks(asWrites(sampleFragment(IMAGE, 1, 3)));
    expect(await sink.position()).toEqual({ object: 5, file: 1, block: 5 });
    await sink.writeFilemarks(0, 'sync');
    await sink.writeFilemarks(1, 'sync');
    expect(await sink.position()).toEqual({ object: 6, file: 2, block: 0 });
  });

  test('what is no block of an image, or no end of a fragment, is refused', async () => {
    const { disk } = await make();
    const sink = await disk.write(IMAGE, owner(1));
    const [header = Buffer.alloc(0)] = sampleFragment(IMAGE, 1, 1);
    for (const part of [Buffer.alloc(1024), header.subarray(0, 512), Buffer.alloc(0)]) {
      await expectStatus(sink.writeBlocks([{ parts: [part] }]), 'invalidParameter');
    }
    await expectStatus(sink.writeFilemarks(1, 'sync'), 'invalidParameter');
    await sink.writeBlocks(asWrites([header]));
    await expectStatus(sink.writeFilemarks(2, 'sync'), 'invalidParameter');
    await expectStatus(sink.writeFilemarks(1, 'buffered'), 'invalidParameter');
    for (const image of [
      { backupId: '', copy: 1 },
      { backupId: '.hidden', copy: 1 },
      { backupId: 'x'.repeat(300), copy: 1 },
      { backupId: 'a_1', copy: 0 },
    ]) {
      await expectStatus(disk.write(image, owner(1)), 'invalidParameter');
      await expectStatus(disk.read(image), 'invalidParameter');
    }
  });
}

function commits(make: Make): void {
  test('nothing of a fragment is there before it is committed, nor when its writer closes without', async () => {
    const { disk, reopen } = await make();
    const sink = await disk.write(IMAGE, owner(1));
    await sink.writeBlocks(asWrites(sampleFragment(IMAGE, 1, 2)));
    const other = await reopen();
    expect(await other.list()).toEqual([]);
    expect((await disk.space()).usedBytes).toBeGreaterThan(0);
    await sink.writeFilemarks(1, 'sync');
    await sink.writeBlocks(asWrites(sampleFragment(IMAGE, 2, 9)));
    await sink.close();
    await sink.close();
    const [only, ...more] = await other.list();
    expect(only).toMatchObject({ ...IMAGE, fragment: 1 });
    expect(more).toEqual([]);
    const { usedBytes } = await other.space();
    expect(usedBytes).toBe(only?.sizeBytes);
    expect(await other.removeUnfinished()).toBe(0);
    await expectStatus(sink.writeFilemarks(1, 'sync'), 'mediaOpenError');
    await expectStatus(sink.writeBlocks([]), 'mediaOpenError');
  });

  test('the list has every committed fragment, with its size', async () => {
    const { disk } = await make();
    const odd = { backupId: 'fü ler/1_C1_F1.img*', copy: 12 };
    await store(disk, [1, 2], odd);
    await store(disk, [3]);
    const sizes = (image: typeof IMAGE, fragment: number, blocks: number) => ({
      ...image,
      fragment,
      sizeBytes: sampleFragment(image, fragment, blocks).reduce((sum, b) => sum + b.length, 0),
      writtenMs: expect.any(Number),
    });
    expect(await disk.list()).toEqual(
      [sizes(IMAGE, 1, 3), sizes(odd, 1, 1), sizes(odd, 2, 2)].sort((a, b) =>
        a.backupId < b.backupId ? -1 : 1,
      ),
    );
  });

  test('deleting takes all fragments of one copy, and can be repeated', async () => {
    const { disk } = await make();
    const second = { ...IMAGE, copy: 2 };
    await store(disk, [1, 1, 1]);
    await store(disk, [1], second);
    expect(await disk.delete(IMAGE)).toBe(3);
    expect(await disk.delete(IMAGE)).toBe(0);
    expect(await disk.list()).toMatchObject([second]);
    await store(disk, [1]);
    expect((await disk.list()).length).toBe(2);
  });
}

function limits(make: Make): void {
  test('a unit is full from its high-water mark on, takes what fits, and is emptied to its low-water mark', async () => {
    const { disk } = await make(256 * 1024);
    expect(await disk.space()).toMatchObject({ totalBytes: 256 * 1024, usedBytes: 0, full: false });
    const sink = await disk.write(IMAGE, owner(1));
    const blocks = asWrites(sampleFragment(IMAGE, 1, 100));
    let at = 0;
    let warned = -1;
    for (; at < blocks.length; at += 1) {
      const result = await sink.writeBlocks(blocks.slice(at, at + 1));
      if (result.earlyWarning && warned < 0) warned = at;
      if (result.endOfMedium) {
        expect(result).toEqual({ written: 0, earlyWarning: true, endOfMedium: true });
        break;
      }
    }
    // 256 KiB hold 63 blocks of 4 KiB beside the header; nine tenths of them are 57.
    expect(at).toBe(64);
    expect(warned).toBeGreaterThanOrEqual(56);
    expect(warned).toBeLessThanOrEqual(63);
    expect(await disk.space()).toMatchObject({ full: true });
    expect((await disk.space()).bytesAboveLowWater).toBeGreaterThan(100 * 1024);
    await sink.close();
    expect(await disk.space()).toMatchObject({ usedBytes: 0, full: false, bytesAboveLowWater: 0 });
  });
}

function owners(make: Make): void {
  test('a copy is written once', async () => {
    const { disk } = await make();
    await store(disk, [1]);
    await expectStatus(disk.write(IMAGE, owner(9)), 'alreadyExists');
  });

  test('a higher epoch ends the rights of the writer before, whose fragment never appears', async () => {
    const { disk, reopen } = await make();
    const old = await disk.write(IMAGE, owner(5));
    await old.writeBlocks(asWrites(sampleFragment(IMAGE, 1, 4)));
    const other = await reopen();
    await expectStatus(other.write(IMAGE, owner(4)), 'staleGrant');
    await expectStatus(other.write(IMAGE, owner(5)), 'mediaInUse');
    const young = await other.write(IMAGE, owner(6));
    await expectStatus(old.writeFilemarks(1, 'sync'), 'staleGrant');
    await young.writeBlocks(asWrites(sampleFragment(IMAGE, 1, 1)));
    await young.writeFilemarks(1, 'sync');
    await old.close();
    await young.close();
    expect((await disk.list()).map(({ sizeBytes }) => sizeBytes)).toEqual([
      sampleFragment(IMAGE, 1, 1).reduce((sum, block) => sum + block.length, 0),
    ]);
    await expectStatus(disk.write(IMAGE, owner(5)), 'staleGrant');
  });

  test('a copy that is being written is not deleted, unless a higher epoch says so', async () => {
    const { disk } = await make();
    const sink = await disk.write(IMAGE, owner(5));
    await sink.writeBlocks(asWrites(sampleFragment(IMAGE, 1, 1)));
    await sink.writeFilemarks(1, 'sync');
    await expectStatus(disk.delete(IMAGE), 'mediaInUse');
    await expectStatus(disk.delete(IMAGE, { fence: owner(4) }), 'staleGrant');
    expect(await disk.delete(IMAGE, { fence: owner(6) })).toBe(1);
    await sink.writeBlocks(asWrites(sampleFragment(IMAGE, 2, 1)));
    await expectStatus(sink.writeFilemarks(1, 'sync'), 'staleGrant');
    await expectStatus(disk.write(IMAGE, owner(5)), 'staleGrant');
    await (await disk.write(IMAGE, owner(6))).close();
    await sink.close();
    expect(await disk.list()).toEqual([]);
  });
}
