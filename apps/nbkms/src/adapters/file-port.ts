// Everything that changes a file of the key store, as one small port: what the store promises about crashes hangs on
// these calls alone. Tests stop, fail or delay any of them.

import { constants } from 'node:fs';
import { chmod, link, open, rename, rm, statfs } from 'node:fs/promises';

/** Errors are those of `node:fs`, with their codes (`ENOSPC`, `EIO` …). */
export interface WrittenFile {
  /** May write less than it was given; says how much. Null: at the end. */
  write(bytes: Uint8Array, position: number | null): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FilePort {
  /** A new file of mode 600; fails when there is one, or a link, of this name. */
  create(path: string): Promise<WrittenFile>;
  /** Opened to write at its end; made with mode 600 when there is none. */
  append(path: string): Promise<WrittenFile>;
  rename(from: string, to: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  /** Nothing happens when there is none. */
  remove(path: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** The names in a folder are on the disk when this returns. */
  syncFolder(path: string): Promise<void>;
  freeBytes(folder: string): Promise<bigint>;
}

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const MODE = 0o600;

async function openFile(path: string, flags: number): Promise<WrittenFile> {
  const handle = await open(path, flags | O_WRONLY | O_CREAT | O_NOFOLLOW, MODE);
  return {
    write: async (bytes, position) =>
      (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

export const hostFiles: FilePort = {
  create: (path) => openFile(path, O_EXCL),
  append: (path) => openFile(path, O_APPEND),
  rename,
  link,
  remove: (path) => rm(path, { force: true }),
  chmod,
  syncFolder: async (path) => {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  freeBytes: async (folder) => {
    const { bavail, bsize } = await statfs(folder, { bigint: true });
    return bavail * bsize;
  },
};

/** All of it, from `position` on, or (null) at the end. Errors: those of the port; EIO when nothing is taken any more. */
export async function writeAll(
  file: WrittenFile,
  bytes: Buffer,
  position: number | null,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const written = await file.write(bytes.subarray(at), position === null ? null : position + at);
    if (written === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
    at += written;
  }
}
