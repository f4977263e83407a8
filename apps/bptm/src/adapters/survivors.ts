// Drive processes of an earlier life of bptm: found by pid and start time, ended before anything else is done.

import { readFile } from 'node:fs/promises';
import { type ProcessMark, startTicksOf } from '../core/process-identity.ts';

const LOOK_MS = 20;
const END_MAX_MS = 10_000;

/** The process that has this pid now, or null when there is none. */
export async function markOf(pid: number): Promise<ProcessMark | null> {
  try {
    const startTicks = startTicksOf(await readFile(`/proc/${pid}/stat`, 'utf8'));
    return startTicks === null ? null : { pid, startTicks };
  } catch {
    return null;
  }
}

/** Kills the process if it is still the same one, and returns when it is gone. False: it would not go. */
export async function endSurvivor(mark: ProcessMark): Promise<boolean> {
  const endMs = performance.now() + END_MAX_MS;
  while ((await markOf(mark.pid))?.startTicks === mark.startTicks) {
    if (performance.now() > endMs) return false;
    try {
      process.kill(mark.pid, 'SIGKILL');
    } catch {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}
