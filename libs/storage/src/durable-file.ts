// Small files that are replaced as a whole and are either old or new after a crash.

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type FileLayer, hostFiles, writeAll } from './file-layer.ts';

/** Replaces the file; returns when the new content and its name are on the disk. */
export function replaceFile(
  path: string,
  content: string | Uint8Array,
  files: FileLayer = hostFiles,
): void {
  const temporary = `${path}.new`;
  const fd = files.create(temporary, 'replace');
  try {
    writeAll(files, fd, [typeof content === 'string' ? Buffer.from(content) : content], 0);
    files.sync(fd);
  } finally {
    files.close(fd);
  }
  files.rename(temporary, path);
  syncFile(dirname(path), files);
}

/** Makes a file, or the names in a directory, durable. */
export function syncFile(path: string, files: FileLayer = hostFiles): void {
  const fd = files.open(path);
  try {
    files.sync(fd);
  } finally {
    files.close(fd);
  }
}

/** The file's bytes, empty when there is no such file. */
export function readFileOrEmpty(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
