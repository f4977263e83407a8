// Takes a cartridge out of a library into a folder, and puts one in: nothing is ever in half, and a cartridge that leaves is
// whole outside before it is gone inside.

import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { syncFile } from '../durable-file.ts';
import { type FileLayer, writeAll } from '../file-layer.ts';
import { readCartridgeInfo } from './cartridge-info.ts';

/** Bytes that are in place, of all. */
export type TransferProgress = (doneBytes: number, totalBytes: number) => void;

/** What a cartridge is made of; what else lies in its folder stays behind. */
const PART = /^(seg-\d{8}\.dat|cartridge\.json|index\.log|mam\.json|README\.txt)$/;
const CHUNK_BYTES = 4 * 1024 * 1024;

interface Part {
  readonly name: string;
  readonly sizeBytes: number;
}

function partsOf(dir: string): Part[] {
  return readdirSync(dir)
    .filter((name) => PART.test(name))
    .map((name) => ({ name, stat: lstatSync(join(dir, name)) }))
    .filter(({ stat }) => stat.isFile())
    .map(({ name, stat }) => ({ name, sizeBytes: stat.size }));
}

/** Tells whether something was written between two looks. */
export function fingerprint(dir: string): string {
  const marks = partsOf(dir).map(({ name, sizeBytes }) => {
    return `${name} ${sizeBytes} ${lstatSync(join(dir, name)).mtimeMs}`;
  });
  return marks.sort().join('\n');
}

/**
 * Copies a cartridge's folder under a name that does not exist yet; it appears there whole and durable, or not at all.
 * Throws `alreadyExists` when there is something.
 */
export function copyCartridge(
  from: string,
  to: string,
  files: FileLayer,
  onProgress: TransferProgress = () => {},
): void {
  readCartridgeInfo(from);
  if (existsSync(to)) throw new StatusError('alreadyExists', `there is ${to} already`);
  const parts = partsOf(from);
  const totalBytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  // The same each time, so that trying again takes away what a call left that died.
  const unfinished = join(dirname(to), `.${basename(to)}.part`);
  files.remove(unfinished);
  try {
    files.makeFolder(unfinished);
    let doneBytes = 0;
    for (const { name } of parts) {
      copyFile(join(from, name), join(unfinished, name), files, (bytes) => {
        doneBytes += bytes;
        onProgress(doneBytes, totalBytes);
      });
    }
    syncFile(unfinished, files);
    files.rename(unfinished, to);
    syncFile(dirname(to), files);
  } catch (error) {
    files.remove(unfinished);
    throw error;
  }
}

function copyFile(
  from: string,
  to: string,
  files: FileLayer,
  onBytes: (bytes: number) => void,
): void {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const source = openSync(from, 'r');
  try {
    const target = files.create(to, 'create');
    try {
      for (let at = 0; ; ) {
        const got = readSync(source, chunk, 0, chunk.length, at);
        if (got === 0) break;
        writeAll(files, target, [chunk.subarray(0, got)], at);
        at += got;
        onBytes(got);
      }
      files.sync(target);
    } finally {
      files.close(target);
    }
  } finally {
    closeSync(source);
  }
}

/** Moves a folder within one file system; false when the target is on another. */
export function renamed(from: string, to: string, files: FileLayer): boolean {
  try {
    files.rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EXDEV') return false;
    throw error;
  }
  syncFile(dirname(to), files);
  syncFile(dirname(from), files);
  return true;
}

export function makeFolders(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o750 });
}
