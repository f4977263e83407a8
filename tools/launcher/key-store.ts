// An installation's first start makes nbkms's empty key store: the daemon itself refuses to start without one, so
// that a store that got lost is never replaced by an empty one without a person knowing.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Layout, ROOT, writeJson } from './layout.ts';

/** Done once for a state folder: `nbkms.json` says so. */
export async function prepareKeyStore(layout: Layout): Promise<void> {
  const marker = join(layout.stateDir, 'nbkms.json');
  if (existsSync(marker)) return;
  const daemons = join(layout.stateDir, 'daemons');
  // A store without its marker: an earlier start was killed in between.
  if (!existsSync(join(daemons, 'nbkms/db/KMS_DATA.dat'))) {
    await promisify(execFile)(
      process.execPath,
      [join(ROOT, 'apps/nbkms/src/main.ts'), '-createemptydb'],
      { env: { PATH: process.env.PATH ?? '', TAPESTRY_STATE_DIR: daemons } },
    );
  }
  writeJson(marker, { createdMs: Date.now() });
}
