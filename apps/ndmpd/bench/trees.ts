// What the benchmarks save: one large file, and many small ones in folders of a hundred.

import { closeSync, mkdirSync, openSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

const CHUNK_BYTES = 1024 * 1024;
const SMALL_BYTES = 1024;
const FILES_A_DIRECTORY = 100;
const MEMORY = '/dev/shm';

/** A folder in memory where `bytes` have room there twice, else one for temporary files: disks are no part of this. */
export function benchFolder(bytes: number): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (Math.min(bavail * bsize, freemem()) > 2 * bytes) return MEMORY;
  } catch {
    // no such file system here
  }
  return tmpdir();
}

export function makeLargeFile(directory: string, bytes: number): string {
  mkdirSync(directory);
  const path = join(directory, 'file');
  const chunk = Buffer.alloc(CHUNK_BYTES, 'tapestry bench ');
  const fd = openSync(path, 'w');
  for (let at = 0; at < bytes; at += chunk.length) writeSync(fd, chunk);
  closeSync(fd);
  return path;
}

export function makeSmallFiles(root: string, count: number): void {
  const bytes = Buffer.alloc(SMALL_BYTES, 'small ');
  mkdirSync(root);
  for (let i = 0; i < count; i += 1) {
    const directory = join(root, `d${Math.floor(i / FILES_A_DIRECTORY)}`);
    if (i % FILES_A_DIRECTORY === 0) mkdirSync(directory);
    writeFileSync(join(directory, `f${i}`), bytes);
  }
}
