// Servers that a crash left running. A pid alone proves nothing (it may have been given out again), so
// a process is ours only when it also works in the folder that the pid file lies in.

import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';

/** The first line of a pid file as a number; undefined without such a file. */
export function pidFromFile(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'latin1').split('\n', 1)[0]);
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** True when that process has `folder` as its working directory. */
export function worksIn(pid: number, folder: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch {
    return false;
  }
}

/**
 * Ends the server that a crash left behind in `folder`, politely first. Does nothing when the pid file
 * is absent or names a process that is not that server.
 * @returns the pid that was ended
 */
export async function endLeftover(options: {
  pidFile: string;
  folder: string;
  politeSignal: NodeJS.Signals;
  politeMs: number;
}): Promise<number | undefined> {
  const pid = pidFromFile(options.pidFile);
  if (pid === undefined || !isAlive(pid) || !worksIn(pid, options.folder)) return undefined;
  for (const step of [
    { signal: options.politeSignal, waitMs: options.politeMs },
    { signal: 'SIGKILL' as const, waitMs: 5_000 },
  ]) {
    try {
      process.kill(pid, step.signal);
    } catch {
      // It ended between the look and the signal, or is another user's: the wait below tells.
    }
    const endAt = performance.now() + step.waitMs;
    while (isAlive(pid) && performance.now() < endAt) await sleep(10);
    if (!isAlive(pid)) return pid;
  }
  throw new StatusError(
    'daemonAlreadyRunning',
    `a server left in ${options.folder} (pid ${pid}) cannot be ended; end it by hand`,
    { pid },
  );
}
