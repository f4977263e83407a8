// A recording disk on which one call fails, or all from one on: for want of room, in the middle of a write, or because it
// is broken.

import type { FileLayer } from '../src/file-layer.ts';
import type { Recording } from './recording-files.ts';

export interface Failure {
  /** Number of the call that fails, from 0. */
  readonly call: number;
  readonly code: 'ENOSPC' | 'EIO';
  readonly forGood: boolean;
}

/** `calls.count` tells how many calls were made; `calls.failed` whether the failure was reached. */
export function failing(recording: Recording, { call, code, forGood }: Failure) {
  const calls = { count: 0, failed: false };
  const inner = recording.files;
  const fails = (): boolean => {
    const now = calls.count++;
    const struck = now === call || (forGood && now > call);
    calls.failed ||= struck;
    return struck;
  };
  const error = () => Object.assign(new Error(code), { code });
  const guarded =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    (...args: A): R => {
      if (fails()) throw error();
      return work(...args);
    };
  const flushing =
    (work: (fd: number) => void) =>
    (fd: number): void => {
      // A full disk is noticed when it is written to, not when it is flushed.
      if (code === 'EIO' && fails()) {
        recording.noteFailedFlush(fd);
        throw error();
      }
      work(fd);
    };
  let torn = false;
  const files: FileLayer = {
    ...inner,
    create: guarded(inner.create),
    truncate: guarded(inner.truncate),
    rename: guarded(inner.rename),
    remove: guarded(inner.remove),
    flush: flushing(inner.flush),
    sync: flushing(inner.sync),
    write: (fd, buffers, position) => {
      if (torn) {
        torn = false;
        throw error();
      }
      if (!fails()) return inner.write(fd, buffers, position);
      const all = Buffer.concat(buffers);
      if (all.length < 2) throw error();
      // Half of it is written; the rest fails.
      torn = true;
      return inner.write(fd, [all.subarray(0, all.length >> 1)], position);
    },
  };
  return { files, calls };
}
