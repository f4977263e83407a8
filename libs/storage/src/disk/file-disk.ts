// A disk storage unit in a folder: one file a fragment, named for its image. What has its name is whole and durable; what
// is being written lies under another. Several processes use one folder at once.

import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import type {
  DiskSink,
  DiskSource,
  DiskSpace,
  DiskStorage,
  ImageCopy,
  StoredFragment,
} from '../disk.ts';
import type { DriveOwner } from '../drive.ts';
import { syncFile } from '../durable-file.ts';
import { type FileLayer, hostFiles } from '../file-layer.ts';
import { isHostFull } from '../host-room.ts';
import { orMediaFailure } from '../media-failure.ts';
import { DiskDatabase } from './disk-database.ts';
import { FileSink } from './file-sink.ts';
import { FileSource } from './file-source.ts';
import {
  type FragmentName,
  fragmentName,
  imageKey,
  parseFragmentName,
  tokenOfUnfinished,
} from './fragment-name.ts';
import { checkWaterMarks, diskSpace, type WaterMarks } from './water-marks.ts';

export interface FileDiskOptions extends WaterMarks {
  readonly dir: string;
  /** What the unit may hold at most; without it, what its file system holds. */
  readonly limitBytes?: number;
  /** What changes files: a full, failing or recording disk, for tests. */
  readonly files?: FileLayer;
}

function databaseOf(dir: string): string {
  return join(dir, 'disk.sqlite');
}

/** Makes a folder a disk storage unit, empty or with the fragments of an older one. Errors: 226, 129, 2104. */
export async function createFileDisk(dir: string): Promise<void> {
  orMediaFailure('storageUnitMissing', () => {
    mkdirSync(dir, { recursive: true, mode: 0o750 });
    DiskDatabase.create(databaseOf(dir));
    syncFile(dir);
  });
}

/** Throws `storageUnitMissing` for a folder that was not made one: its file system may just not be mounted. */
export async function openFileDisk(options: FileDiskOptions): Promise<DiskStorage> {
  return new FileDisk(options);
}

class FileDisk implements DiskStorage {
  readonly #options: FileDiskOptions;
  readonly #files: FileLayer;
  readonly #marks: Required<WaterMarks>;
  readonly #database: DiskDatabase;
  #closed = false;

  constructor(options: FileDiskOptions) {
    this.#options = options;
    this.#files = options.files ?? hostFiles;
    this.#marks = checkWaterMarks(options);
    this.#database = DiskDatabase.open(databaseOf(options.dir));
  }

  async write(image: ImageCopy, owner: DriveOwner): Promise<DiskSink> {
    const key = imageKey(image);
    const token = randomUUID();
    this.#database.transaction(() => {
      this.#database.checkClaim(key, owner);
      if (this.#fragmentsOf(image).length > 0) {
        throw new StatusError('alreadyExists', `${key} has fragments already`);
      }
      this.#database.claim(key, owner, token);
    });
    const { dir } = this.#options;
    return new FileSink({
      ...{ dir, image, token, files: this.#files },
      room: () => ({ ...this.#space(), hostBytes: this.#host().freeBytes }),
      exclusively: (work) =>
        this.#database.transaction(() => {
          this.#database.checkToken(key, token);
          return work();
        }),
      release: () => this.#database.transaction(() => this.#database.release(key, token)),
    });
  }

  async read(image: ImageCopy): Promise<DiskSource> {
    imageKey(image);
    return new FileSource(this.#options.dir, image);
  }

  async list(): Promise<readonly StoredFragment[]> {
    return this.#fragments().sort(
      (a, b) =>
        (a.backupId < b.backupId ? -1 : Number(a.backupId > b.backupId)) ||
        a.copy - b.copy ||
        a.fragment - b.fragment,
    );
  }

  #fragments(belongs: (name: FragmentName) => boolean = () => true): StoredFragment[] {
    return this.#names().flatMap((file) => {
      const name = parseFragmentName(file);
      if (!name || !belongs(name)) return [];
      const found = statSync(join(this.#options.dir, file), { throwIfNoEntry: false });
      if (!found?.isFile()) return [];
      return [{ ...name, sizeBytes: found.size, writtenMs: Math.floor(found.mtimeMs) }];
    });
  }

  #names(): string[] {
    return orMediaFailure('storageUnitMissing', () => readdirSync(this.#options.dir));
  }

  #fragmentsOf({ backupId, copy }: ImageCopy): StoredFragment[] {
    return this.#fragments((name) => name.backupId === backupId && name.copy === copy);
  }

  async delete(image: ImageCopy, options: { readonly fence?: DriveOwner } = {}): Promise<number> {
    const key = imageKey(image);
    const { dir } = this.#options;
    return this.#database.transaction(() => {
      this.#database.endWriter(key, options.fence);
      const found = this.#fragmentsOf(image);
      if (found.length === 0) return 0;
      orMediaFailure('systemCallFailed', () => {
        for (const each of found) this.#files.remove(join(dir, fragmentName(each)));
        syncFile(dir, this.#files);
      });
      return found.length;
    });
  }

  async removeUnfinished(): Promise<number> {
    return this.#database.transaction(() => {
      const live = this.#database.liveTokens();
      const dead = this.#names().filter((file) => {
        const token = tokenOfUnfinished(file);
        return token !== null && !live.has(token);
      });
      orMediaFailure('systemCallFailed', () => {
        for (const file of dead) this.#files.remove(join(this.#options.dir, file));
      });
      return dead.length;
    });
  }

  async space(): Promise<DiskSpace> {
    return this.#space();
  }

  #space(): DiskSpace {
    const { limitBytes } = this.#options;
    const host = this.#host();
    const room =
      limitBytes === undefined
        ? host
        : {
            totalBytes: limitBytes,
            freeBytes: Math.min(host.freeBytes, limitBytes - this.#usedBytes()),
          };
    const space = diskSpace(room, this.#marks);
    return { ...space, full: space.full || isHostFull(host.freeBytes) };
  }

  #host(): { readonly totalBytes: number; readonly freeBytes: number } {
    const { dir } = this.#options;
    const { blocks, bavail, bsize } = orMediaFailure('storageUnitMissing', () => statfsSync(dir));
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }

  /** Unfinished fragments take room too. */
  #usedBytes(): number {
    return this.#names()
      .filter((file) => file.endsWith('.img') || file.endsWith('.part'))
      .map((file) => statSync(join(this.#options.dir, file), { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#database.close();
  }
}
