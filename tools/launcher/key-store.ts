// An installation's first start makes nbkms's empty key store: the daemon itself refuses to start without one, so
// that a store that got lost is never replaced by an empty one without a person knowing.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { StatusError } from '@tapestry/status';
import { ROOT, writeJson } from './layout.ts';

const MAKE_MS = 60_000;

export interface KeyStorePlace {
  /** nbkms's TAPESTRY_STATE_DIR. */
  readonly stateDir: string;
  /** The file that remembers for good that the store was made. */
  readonly marker: string;
}

/** Done once; says in words what was done. @throws StatusError systemError when nbkms cannot make it */
export async function prepareKeyStore({ stateDir, marker }: KeyStorePlace): Promise<string> {
  if (existsSync(marker)) return 'the key store was made before\n';
  // A store without its marker: an earlier start was killed in between.
  const made = existsSync(join(stateDir, 'nbkms/db/KMS_DATA.dat'));
  const words = made ? 'the key store was made by a start that was cut short\n' : await create();
  writeJson(marker, { createdMs: Date.now() });
  return words;

  async function create(): Promise<string> {
    const main = join(ROOT, 'apps/nbkms/src/main.ts');
    const env = { PATH: process.env.PATH ?? '', TAPESTRY_STATE_DIR: stateDir };
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [main, '-createemptydb'], {
        env,
        timeout: MAKE_MS,
      });
      return stdout;
    } catch (cause) {
      const said = (cause as { stderr?: string }).stderr || String(cause);
      throw new StatusError(
        'systemError',
        `no key store can be made: ${said.trim()}`,
        {},
        { cause },
      );
    }
  }
}
