// Files on a host that stops at one call: nothing after it happens, as after `kill -9`. A write may have got half-way.

import { type FilePort, hostFiles, type WrittenFile } from './file-port.ts';

export class Stopped extends Error {}

export type Stop =
  /** The process ends before, in, or right after this call. */
  | { readonly kind: 'kill'; readonly at: number; readonly when: 'before' | 'half' | 'after' }
  /** This call fails, and the process goes on. */
  | { readonly kind: 'fail'; readonly at: number; readonly code: string };

export interface StoppingFiles {
  readonly files: FilePort;
  /** How many calls were made. */
  readonly calls: number;
}

function isFile(made: unknown): made is WrittenFile {
  return typeof made === 'object' && made !== null && 'close' in made;
}

export function stoppingFiles(stop: Stop | undefined): StoppingFiles {
  let calls = 0;
  let isOver = false;
  const call = async <T>(act: () => Promise<T>, half: () => Promise<unknown> = act): Promise<T> => {
    if (isOver) throw new Stopped('the process is gone');
    calls += 1;
    if (stop === undefined || calls !== stop.at) return await act();
    if (stop.kind === 'fail') throw Object.assign(new Error(stop.code), { code: stop.code });
    isOver = true;
    if (stop.when === 'half') await half();
    if (stop.when === 'after') {
      const made = await act();
      // Nobody is left to close it.
      if (isFile(made)) await made.close();
    }
    throw new Stopped('killed');
  };
  const wrapped = (file: WrittenFile): WrittenFile => ({
    write: (bytes, position) =>
      call(
        () => file.write(bytes, position),
        () => file.write(bytes.subarray(0, bytes.length >> 1), position),
      ),
    sync: () => call(() => file.sync()),
    // A process that ends closes its files.
    close: () => file.close(),
  });
  const none = async () => {};
  const files: FilePort = {
    create: async (path) => wrapped(await call(() => hostFiles.create(path), none)),
    append: async (path) => wrapped(await call(() => hostFiles.append(path), none)),
    rename: (from, to) => call(() => hostFiles.rename(from, to), none),
    link: (from, to) => call(() => hostFiles.link(from, to), none),
    remove: (path) => call(() => hostFiles.remove(path), none),
    chmod: (path, mode) => call(() => hostFiles.chmod(path, mode), none),
    syncFolder: (path) => call(() => hostFiles.syncFolder(path), none),
    freeBytes: (folder) => hostFiles.freeBytes(folder),
  };
  return {
    files,
    get calls() {
      return calls;
    },
  };
}
