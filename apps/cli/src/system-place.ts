// Where the system is that a command speaks to: named by the environment (containers), or found in a state folder
// that bp.start_all left its addresses in.

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { hostToken } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';

export interface SystemPlace {
  readonly natsUrl: string;
  readonly password: string;
  readonly caFile: string | undefined;
  /** The media server that this machine is, or the only one of the system. */
  readonly host: string;
}

const CHECKOUT = resolve(import.meta.dirname, '../../..');

/** Errors: 25 no system is running there, 116 its password may not be read by this user. */
export function findSystem(env: Readonly<Record<string, string | undefined>>): SystemPlace {
  const { TAPESTRY_NATS_URL: natsUrl, TAPESTRY_NATS_PASSWORD_FILE: passwordFile } = env;
  const caFile = env.TAPESTRY_NATS_CA_FILE || undefined;
  const hostFromEnv = env.TAPESTRY_HOST || undefined;
  if (natsUrl) {
    const password = passwordFile ? readPassword(passwordFile) : '';
    return { natsUrl, password, caFile, host: hostFromEnv ?? hostToken(hostname()) };
  }
  const stateDir = resolve(env.TAPESTRY_STATE_DIR || join(CHECKOUT, '.state'));
  const record = readSystemRecord(join(stateDir, 'run', 'system.json'), stateDir);
  return {
    natsUrl: record.natsUrl,
    password: readPassword(passwordFile || join(stateDir, 'secrets', 'bus', 'cli')),
    caFile,
    host: hostFromEnv ?? record.host,
  };
}

function readSystemRecord(file: string, stateDir: string): { natsUrl: string; host: string } {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { natsUrl: string; host: string };
  } catch (cause) {
    throw new StatusError(
      'cannotConnect',
      `no system runs with the state in ${stateDir}: bp.start_all starts it (TAPESTRY_STATE_DIR names another folder)`,
      {},
      { cause },
    );
  }
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new StatusError(
      'authenticationFailed',
      `the password of the commands in ${file} cannot be read (${why}): run as the user who started the system`,
      {},
      { cause },
    );
  }
}
