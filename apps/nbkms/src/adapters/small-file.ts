// Small lists beside the key store (quiesce calls, keys on hold): JSON with its digest, replaced as a whole.

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { digestOf, readPrivate, writeSynced } from './durable-files.ts';
import type { FilePort } from './file-port.ts';

const SIZE_MAX_BYTES = 4 * 1024 * 1024;

/** Undefined: there is none. `null`: it can't be believed. */
export function readSmallFile<T>(
  path: string,
  isRight: (value: unknown) => value is T,
): T | null | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const text = readPrivate(path, SIZE_MAX_BYTES).toString('utf8');
    const split = text.indexOf('\n');
    const body = text.slice(split + 1);
    if (digestOf(Buffer.from(body)) !== text.slice(0, split)) return null;
    const value: unknown = JSON.parse(body);
    return isRight(value) ? value : null;
  } catch {
    return null;
  }
}

export async function writeSmallFile(files: FilePort, path: string, value: unknown): Promise<void> {
  const body = JSON.stringify(value);
  const staged = `${path}.new`;
  await writeSynced(files, staged, Buffer.from(`${digestOf(Buffer.from(body))}\n${body}`));
  await files.rename(staged, path);
  await files.syncFolder(dirname(path));
}

export async function removeSmallFile(files: FilePort, path: string): Promise<void> {
  await files.remove(path);
  await files.syncFolder(dirname(path));
}
