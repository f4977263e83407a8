// Everything that this library does to change files, as one small port: what it promises about crashes hangs on these
// calls alone. Tests put a full, failing or recording disk in its place; reading needs no such port.

import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writevSync,
} from 'node:fs';

/** Errors are those of `node:fs`, with their codes (`ENOSPC`, `EIO` …). */
export interface FileLayer {
  /** `create` fails when there is such a file, `replace` empties it, `append` keeps what is in it. */
  create(path: string, how: 'create' | 'replace' | 'append'): number;
  /** Opens a file or a folder so that it can be flushed. */
  open(path: string): number;
  close(fd: number): void;
  /** Writes at `position`, or at the end for a file opened to append; may write less than it was given. */
  write(fd: number, buffers: readonly Uint8Array[], position: number | null): number;
  truncate(fd: number, bytes: number): void;
  /** The file's data and size are on the disk when this returns. */
  flush(fd: number): void;
  flushInBackground(fd: number, done: (error: Error | null) => void): void;
  /** Data and metadata of a file, or the names in a folder. */
  sync(fd: number): void;
  rename(from: string, to: string): void;
  /** Removes a file or, with all that is in it, a folder. Nothing happens when there is none. */
  remove(path: string): void;
  makeFolder(path: string): void;
}

const FLAGS = { create: 'wx', replace: 'w', append: 'a' } as const;
const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;

export const hostFiles: FileLayer = {
  create: (path, how) => openSync(path, FLAGS[how], FILE_MODE),
  open: (path) => openSync(path, 'r'),
  close: closeSync,
  write: (fd, buffers, position) => writevSync(fd, buffers as Uint8Array[], position ?? undefined),
  truncate: ftruncateSync,
  flush: fdatasyncSync,
  flushInBackground: (fd, done) => fdatasync(fd, done),
  sync: fsyncSync,
  rename: renameSync,
  remove: (path) => rmSync(path, { recursive: true, force: true }),
  makeFolder: (path) => void mkdirSync(path, { mode: FOLDER_MODE }),
};

/** The host has no room: an answer of the disk, not a failure of it. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code);
}

export function noSpace(): Error {
  return Object.assign(new Error('no space left on the host'), { code: 'ENOSPC' });
}

/** Writes all of it or throws; a disk that takes nothing more is full. */
export function writeAll(
  files: FileLayer,
  fd: number,
  buffers: readonly Uint8Array[],
  position: number | null,
): void {
  const { error } = writeMost(files, fd, buffers, position);
  if (error) throw error;
}

/** Writes until done or until the disk refuses: what it refused with is an answer here. */
export function writeMost(
  files: FileLayer,
  fd: number,
  buffers: readonly Uint8Array[],
  position: number | null,
): { readonly bytes: number; readonly error: Error | null } {
  let bytes = 0;
  let rest = buffers;
  while (rest.length > 0) {
    let got: number;
    try {
      got = files.write(fd, rest, position === null ? null : position + bytes);
    } catch (error) {
      return { bytes, error: error as Error };
    }
    if (got === 0 && rest.some((buffer) => buffer.length > 0)) return { bytes, error: noSpace() };
    bytes += got;
    rest = skipBytes(rest, got);
  }
  return { bytes, error: null };
}

function skipBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (left >= buffer.length) left -= buffer.length;
    else {
      rest.push(left > 0 ? buffer.subarray(left) : buffer);
      left = 0;
    }
  }
  return rest;
}
