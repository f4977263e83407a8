// A disk storage unit in memory, for tests. Obeys the whole contract of DiskStorage; nothing outlives the process.

import { StatusError } from '@tapestry/status';
import { imageKey } from '../disk/fragment-name.ts';
import { endsFragment, imageBlockLength } from '../disk/image-block.ts';
import { checkWaterMarks, diskSpace, type WaterMarks } from '../disk/water-marks.ts';
import type {
  DiskSink,
  DiskSource,
  DiskSpace,
  DiskStorage,
  ImageCopy,
  StoredFragment,
} from '../disk.ts';
import type { DriveOwner, ReadResult, WriteBlock, WriteResult } from '../drive.ts';

export interface MemoryDiskOptions extends WaterMarks {
  readonly limitBytes: number;
}

interface MemoryFragment {
  readonly stored: StoredFragment;
  readonly blocks: readonly Uint8Array[];
}

interface MemoryImage {
  readonly image: ImageCopy;
  epoch: bigint;
  writer: MemorySink | null;
  readonly fragments: MemoryFragment[];
}

export function createMemoryDisk(options: MemoryDiskOptions): DiskStorage {
  return new MemoryDisk(options);
}

class MemoryDisk implements DiskStorage {
  readonly #limitBytes: number;
  readonly #marks: Required<WaterMarks>;
  readonly #images = new Map<string, MemoryImage>();

  constructor(options: MemoryDiskOptions) {
    this.#limitBytes = options.limitBytes;
    this.#marks = checkWaterMarks(options);
  }

  async write(image: ImageCopy, owner: DriveOwner): Promise<DiskSink> {
    const key = imageKey(image);
    const held = this.#images.get(key) ?? { image, epoch: 0n, writer: null, fragments: [] };
    checkClaim(key, held, owner);
    if (held.fragments.length > 0) {
      throw new StatusError('alreadyExists', `${key} has fragments already`);
    }
    held.epoch = owner.epoch;
    held.writer = new MemorySink(held, () => this.#spaceNow());
    this.#images.set(key, held);
    return held.writer;
  }

  async read(image: ImageCopy): Promise<DiskSource> {
    const key = imageKey(image);
    return new MemorySource(() => this.#images.get(key)?.fragments ?? []);
  }

  async list(): Promise<readonly StoredFragment[]> {
    const keys = [...this.#images.values()].sort(
      (a, b) =>
        (a.image.backupId < b.image.backupId ? -1 : Number(a.image.backupId > b.image.backupId)) ||
        a.image.copy - b.image.copy,
    );
    return keys.flatMap(({ fragments }) => fragments.map(({ stored }) => stored));
  }

  async delete(image: ImageCopy, options: { readonly fence?: DriveOwner } = {}): Promise<number> {
    const key = imageKey(image);
    const held = this.#images.get(key);
    if (!held) return 0;
    if (options.fence) {
      checkClaim(key, held, options.fence);
      held.epoch = options.fence.epoch;
      held.writer = null;
    } else if (held.writer) throw new StatusError('mediaInUse', `${key} has a writer`);
    return held.fragments.splice(0).length;
  }

  async removeUnfinished(): Promise<number> {
    return 0;
  }

  async space(): Promise<DiskSpace> {
    return this.#spaceNow();
  }

  #spaceNow(): DiskSpace {
    let used = 0;
    for (const { fragments, writer } of this.#images.values()) {
      used += writer?.unfinishedBytes ?? 0;
      for (const { stored } of fragments) used += stored.sizeBytes;
    }
    const totalBytes = this.#limitBytes;
    return diskSpace({ totalBytes, freeBytes: totalBytes - used }, this.#marks);
  }

  async close(): Promise<void> {}
}

function checkClaim(key: string, held: MemoryImage, owner: DriveOwner): void {
  if (owner.epoch < held.epoch) {
    throw new StatusError('staleGrant', `${key} is written under epoch ${held.epoch}`);
  }
  if (owner.epoch === held.epoch && held.writer) {
    throw new StatusError('mediaInUse', `${key} has a writer`);
  }
}

class MemorySink implements DiskSink {
  readonly #held: MemoryImage;
  readonly #space: () => DiskSpace;
  #blocks: Uint8Array[] = [];
  #object = 0;
  #closed = false;

  constructor(held: MemoryImage, space: () => DiskSpace) {
    this.#held = held;
    this.#space = space;
  }

  get unfinishedBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.length, 0);
  }

  async position() {
    return { object: this.#object, file: this.#fragment, block: this.#blocks.length };
  }

  get #fragment(): number {
    return this.#held.fragments.length + 1;
  }

  async writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult> {
    this.#checkOpen();
    const sizes = blocks.map(imageBlockLength);
    let written = 0;
    for (const { parts } of blocks) {
      if ((sizes[written] as number) > this.#space().freeBytes) break;
      this.#blocks.push(Uint8Array.from(Buffer.concat([...parts])));
      written += 1;
    }
    this.#object += written;
    const endOfMedium = written < blocks.length;
    return { written, earlyWarning: endOfMedium || this.#space().full, endOfMedium };
  }

  async writeFilemarks(count: number, mode: 'sync' | 'buffered'): Promise<WriteResult> {
    this.#checkOpen();
    if (endsFragment(count, mode, this.#blocks.length)) {
      if (this.#held.writer !== this) {
        throw new StatusError('staleGrant', 'the image was taken over by another writer');
      }
      const { image, fragments } = this.#held;
      const sizeBytes = this.unfinishedBytes;
      const stored = { ...image, fragment: this.#fragment, sizeBytes, writtenMs: Date.now() };
      fragments.push({ stored, blocks: this.#blocks });
      this.#blocks = [];
      this.#object += 1;
    }
    return { written: count, earlyWarning: this.#space().full, endOfMedium: false };
  }

  #checkOpen(): void {
    if (this.#closed) throw new StatusError('mediaOpenError', 'the image was closed by its writer');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#blocks = [];
    if (this.#held.writer === this) this.#held.writer = null;
  }
}

class MemorySource implements DiskSource {
  readonly #fragments: () => readonly MemoryFragment[];
  #fragment = 1;
  #block = 0;

  constructor(fragments: () => readonly MemoryFragment[]) {
    this.#fragments = fragments;
  }

  async locate(target: Parameters<DiskSource['locate']>[0]): Promise<void> {
    const wanted = typeof target === 'string' || 'object' in target ? null : target;
    const blocks = this.#fragments()[(wanted?.file ?? 0) - 1]?.blocks;
    if (!wanted || blocks?.[wanted.block] === undefined) {
      throw new StatusError('mediaPositionError', 'there is no such fragment or block');
    }
    this.#fragment = wanted.file;
    this.#block = wanted.block;
  }

  async readBlock(into: Uint8Array): Promise<ReadResult> {
    const fragment = this.#fragments()[this.#fragment - 1];
    if (!fragment) return { kind: 'endOfData' };
    const block = fragment.blocks[this.#block];
    if (!block) {
      this.#fragment += 1;
      this.#block = 0;
      return { kind: 'filemark' };
    }
    this.#block += 1;
    into.set(block.subarray(0, into.length));
    if (block.length > into.length) return { kind: 'oversize', lengthBytes: block.length };
    return { kind: 'block', lengthBytes: block.length, crc32: null };
  }

  async close(): Promise<void> {}
}
