// Writes the fragments of one copy of an image into files: each lies under a name of its writer's until it is whole and
// on the disk, then takes its own in one step.

import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { AppendFile } from '../append-file.ts';
import type { DiskSink, ImageCopy } from '../disk.ts';
import type { FilemarkMode, Position, WriteBlock, WriteResult } from '../drive.ts';
import { syncFile } from '../durable-file.ts';
import { type FileLayer, isDiskFull } from '../file-layer.ts';
import { fitsHost } from '../host-room.ts';
import { orMediaFailure } from '../media-failure.ts';
import { fragmentName, unfinishedName } from './fragment-name.ts';
import { endsFragment, imageBlockLength } from './image-block.ts';

export interface FileSinkParts {
  readonly dir: string;
  readonly image: ImageCopy;
  /** Names the unfinished file, and its writer. */
  readonly token: string;
  readonly files: FileLayer;
  /** Of the unit: what it may still take, and whether it is above its high-water mark. `hostBytes`: of the host. */
  room(): { readonly freeBytes: number; readonly hostBytes: number; readonly full: boolean };
  /** Runs `work` while no other writer can take over; throws `staleGrant` when one did. */
  exclusively<T>(work: () => T): T;
  release(): void;
}

/** How much is written between two looks at the room that is left. */
const SPACE_CHECK_BYTES = 16 * 1024 * 1024;

export class FileSink implements DiskSink {
  readonly #parts: FileSinkParts;
  #file: AppendFile | null = null;
  #fragment = 1;
  #block = 0;
  #object = 0;
  #freeBytes = 0;
  #hostBytes = 0;
  #full = false;
  #bytesToCheck = 0;
  #closed = false;
  /** A commit failed: what is in the file may have its name already, and must not grow. */
  #unsure = false;

  constructor(parts: FileSinkParts) {
    this.#parts = parts;
  }

  async position(): Promise<Position> {
    return { object: this.#object, file: this.#fragment, block: this.#block };
  }

  async writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult> {
    this.#checkOpen();
    const sizes = blocks.map(imageBlockLength);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    this.#lookAtSpace(total);
    const fits = this.#fitting(sizes);
    const written = orMediaFailure('mediaWriteError', () =>
      this.#append(blocks.slice(0, fits), sizes),
    );
    this.#block += written;
    this.#object += written;
    const endOfMedium = written < blocks.length;
    return { written, earlyWarning: this.#full || endOfMedium, endOfMedium };
  }

  #append(blocks: readonly WriteBlock[], sizes: readonly number[]): number {
    if (blocks.length === 0) return 0;
    const { dir, token, files } = this.#parts;
    try {
      this.#file ??= new AppendFile(join(dir, unfinishedName(token)), new Uint8Array(0), files);
    } catch (error) {
      if (isDiskFull(error)) return 0;
      throw error;
    }
    const buffers = blocks.flatMap(({ parts }) => parts);
    return this.#file.append(buffers, sizes.slice(0, blocks.length), (index) => {
      this.#freeBytes -= sizes[index] as number;
      this.#hostBytes -= sizes[index] as number;
    });
  }

  /** The host answers roughly: what is close to the end is looked at for each batch. */
  #lookAtSpace(bytes: number): void {
    this.#bytesToCheck -= bytes;
    const ample = Math.min(this.#freeBytes, this.#hostBytes) > 4 * SPACE_CHECK_BYTES;
    if (this.#bytesToCheck > 0 && ample) return;
    this.#bytesToCheck = SPACE_CHECK_BYTES;
    const { freeBytes, hostBytes, full } = this.#parts.room();
    this.#freeBytes = freeBytes;
    this.#hostBytes = hostBytes;
    this.#full = full;
  }

  #fitting(sizes: readonly number[]): number {
    let taken = 0;
    let count = 0;
    for (const size of sizes) {
      const fits = taken + size <= this.#freeBytes && fitsHost(this.#hostBytes - taken, size);
      if (!fits) break;
      taken += size;
      count += 1;
    }
    return count;
  }

  async writeFilemarks(count: number, mode: FilemarkMode): Promise<WriteResult> {
    this.#checkOpen();
    const ends = endsFragment(count, mode, this.#block);
    orMediaFailure('mediaWriteError', () => {
      this.#file?.flush();
      if (ends) this.#commit();
    });
    return { written: count, earlyWarning: this.#full, endOfMedium: false };
  }

  /** The blocks are on the disk: gives them their name, if nobody took the image over, and makes the name durable. */
  #commit(): void {
    const { dir, image, token, files } = this.#parts;
    const final = join(dir, fragmentName({ ...image, fragment: this.#fragment }));
    this.#unsure = true;
    this.#parts.exclusively(() => {
      files.rename(join(dir, unfinishedName(token)), final);
      syncFile(dir, files);
    });
    this.#unsure = false;
    this.#file?.close();
    this.#file = null;
    this.#fragment += 1;
    this.#block = 0;
    this.#object += 1;
  }

  #checkOpen(): void {
    if (this.#closed) throw new StatusError('mediaOpenError', 'the image was closed by its writer');
    if (this.#unsure) throw new StatusError('mediaWriteError', 'a fragment could not be committed');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { dir, token, files } = this.#parts;
    orMediaFailure('mediaCloseError', () => {
      try {
        this.#file?.close();
        files.remove(join(dir, unfinishedName(token)));
      } finally {
        this.#parts.release();
      }
    });
  }
}
