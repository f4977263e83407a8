// Drive processes of an earlier life of bptm: found by pid and start time, ended before anything else is done.

import { type ProcessMark, stillLives } from '@tapestry/processes';

const LOOK_MS = 20;
const END_MAX_MS = 10_000;

/** Kills the process if it is still the same one, and returns when it is gone. False: it would not go. */
export async function endSurvivor(mark: ProcessMark): Promise<boolean> {
  const endMs = performance.now() + END_MAX_MS;
  while (stillLives(mark)) {
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
