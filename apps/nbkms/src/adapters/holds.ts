// Keys on hold: never given out again from the moment that somebody says so, even while the store may not be changed.
// What the states of the keys say follows when it can.

import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import type { FilePort } from './file-port.ts';
import { readSmallFile, writeSmallFile } from './small-file.ts';

export interface Holds {
  /** Tags whose keys' states still have to follow. */
  readonly tags: readonly string[];
  /** Errors: 1232. */
  requireFree(tag: string): void;
  add(tag: string): Promise<void>;
  remove(tag: string): Promise<void>;
}

/** Errors: 1252 the list can't be believed: then nobody knows which keys are suspected. */
export async function openHolds(files: FilePort, dbDir: string): Promise<Holds> {
  const path = join(dbDir, 'KMS_HOLD.dat');
  const read = readSmallFile(path, isTags);
  if (read === null) {
    const why = `${path}, the list of keys on hold, is damaged: bring it back, or take it away`;
    throw new StatusError('kmsFileCorrupt', why);
  }
  let tags = read ?? [];
  const keep = async (next: readonly string[]): Promise<void> => {
    await writeSmallFile(files, path, next);
    tags = next;
  };
  return {
    get tags() {
      return tags;
    },
    requireFree(tag) {
      if (tags.includes(tag)) {
        throw new StatusError('keyOnHold', `the key ${tag.slice(0, 16)}… is on hold`);
      }
    },
    add: (tag) => (tags.includes(tag) ? Promise.resolve() : keep([...tags, tag])),
    remove: (tag) => keep(tags.filter((each) => each !== tag)),
  };
}

function isTags(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((tag) => typeof tag === 'string');
}
