// Which of our processes has its server on a folder. A server whose owner died may be ended; one whose
// owner lives is in use, and a second start on its folder is refused.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownMark, type ProcessMark, stillLives } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';

/**
 * Makes this process the owner of the folder.
 * @throws StatusError daemonAlreadyRunning when another one is, and lives
 */
export function claimFolder(folder: string): void {
  const path = join(folder, 'owner.json');
  const owner = readOwner(path);
  if (owner !== undefined && owner.pid !== process.pid && stillLives(owner)) {
    throw new StatusError(
      'daemonAlreadyRunning',
      `the server in ${folder} is in use by process ${owner.pid}; stop that one first`,
      { pid: owner.pid },
    );
  }
  writeFileSync(path, JSON.stringify(ownMark()), { mode: 0o600 });
}

function readOwner(path: string): ProcessMark | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessMark;
  } catch {
    // Cut short by a crash: its writer is gone.
    return undefined;
  }
}
