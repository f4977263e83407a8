// Which of our processes has its server on a folder. A server whose owner died may be ended; one whose
// owner lives is in use, and a second start on its folder is refused.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { isAlive } from './leftover.ts';

interface Owner {
  pid: number;
  /** In clock ticks since boot: tells a process from a later one with the same pid. */
  startTicks: string;
}

/**
 * Makes this process the owner of the folder.
 * @throws StatusError daemonAlreadyRunning when another one is, and lives
 */
export function claimFolder(folder: string): void {
  const path = join(folder, 'owner.json');
  const owner = readOwner(path);
  if (owner !== undefined && owner.pid !== process.pid && isRunning(owner)) {
    throw new StatusError(
      'daemonAlreadyRunning',
      `the server in ${folder} is in use by process ${owner.pid}; stop that one first`,
      { pid: owner.pid },
    );
  }
  const us: Owner = { pid: process.pid, startTicks: startTicksOf(process.pid) ?? '' };
  writeFileSync(path, JSON.stringify(us), { mode: 0o600 });
}

function readOwner(path: string): Owner | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner;
  } catch {
    // Cut short by a crash: its writer is gone.
    return undefined;
  }
}

function isRunning(owner: Owner): boolean {
  return isAlive(owner.pid) && startTicksOf(owner.pid) === owner.startTicks;
}

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold blanks, so counting starts behind it. */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
