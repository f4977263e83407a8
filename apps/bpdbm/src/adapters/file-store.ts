// File lists in a folder. Promises: a file appears under its name only whole, with the length and digest that were
// announced, and on disk; a repeat is harmless; what is half received is removed.

import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { StatusError } from '@tapestry/status';

export interface ListName {
  readonly client: string;
  readonly backupId: string;
  /** Of the whole file, in hex. */
  readonly sha256: string;
}

const LEFTOVER_MS = 60 * 60 * 1_000;

export class FileStore {
  readonly #root: string;
  readonly #incoming: string;

  constructor(root: string) {
    this.#root = root;
    this.#incoming = join(root, 'incoming');
    mkdirSync(this.#incoming, { recursive: true, mode: 0o700 });
  }

  /**
   * Where a file list is: in a folder a client, so that none grows too large. The digest is part of the name: another
   * list for the same image is another file, and never takes the place of the one on record.
   */
  pathOf({ client, backupId, sha256 }: ListName): string {
    return join(this.#root, safeName(client), `${safeName(backupId)}.${sha256}.parquet`);
  }

  /**
   * Receives a file list and puts it in its place. Errors: 233 shorter than announced, 223 longer, 229 another
   * digest; then nothing is kept.
   */
  async receive(list: ListName, sizeBytes: number, body: Readable): Promise<void> {
    const aside = join(this.#incoming, `${randomUUID()}.part`);
    try {
      const file = await open(aside, 'wx', 0o600);
      try {
        await fill(file, body, { sha256: list.sha256, sizeBytes });
        await file.sync();
      } finally {
        await file.close();
      }
      const target = this.pathOf(list);
      const folder = join(target, '..');
      if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) {
        await syncFolder(this.#root);
      }
      await rename(aside, target);
      await syncFolder(folder);
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
  }

  async remove(list: ListName): Promise<void> {
    await rm(this.pathOf(list), { force: true });
  }

  /** Removes what a crash left: halves, and files that `known` does not name. Young ones are let be. */
  async sweep(known: (paths: readonly string[]) => Promise<ReadonlySet<string>>, nowMs: number) {
    let removed = 0;
    for (const folder of await readdir(this.#root, { withFileTypes: true })) {
      if (!folder.isDirectory()) continue;
      const where = join(this.#root, folder.name);
      const old: string[] = [];
      for (const name of await readdir(where)) {
        const path = join(where, name);
        const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: nowMs }));
        if (nowMs - mtimeMs > LEFTOVER_MS) old.push(path);
      }
      const kept = where === this.#incoming ? new Set<string>() : await known(old);
      for (const path of old.filter((each) => !kept.has(each))) {
        await rm(path, { force: true });
        removed += 1;
      }
    }
    return removed;
  }
}

/** Names come from outside: no separator, no dot first, reversible. */
function safeName(name: string): string {
  return encodeURIComponent(name).replace(/^\./, '%2E');
}

/** The image that a file of this store is for; undefined when the name is none of ours. */
export function backupIdOf(path: string): string | undefined {
  const name = /^(.+)\.[0-9a-f]{64}\.parquet$/.exec(basename(path))?.[1];
  return name === undefined ? undefined : decodeURIComponent(name);
}

async function fill(
  file: FileHandle,
  body: Readable,
  announced: { readonly sha256: string; readonly sizeBytes: number },
): Promise<void> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of body) {
    const bytes = chunk as Buffer;
    sizeBytes += bytes.length;
    if (sizeBytes > announced.sizeBytes) {
      throw new StatusError('invalidEntry', `more than the ${announced.sizeBytes} bytes announced`);
    }
    hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
  }
  if (sizeBytes < announced.sizeBytes) {
    throw new StatusError('earlyEof', `${sizeBytes} of ${announced.sizeBytes} bytes came`);
  }
  if (hash.digest('hex') !== announced.sha256) {
    throw new StatusError('imageInconsistent', 'the file list has another digest than announced');
  }
}

/** A name survives a power loss only when its folder is synced too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
