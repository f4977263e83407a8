// `nbkms -createemptydb`: makes the three files of an empty key store, once.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseConfig } from '@tapestry/runtime';
import { asStatusError, exitCode, StatusError } from '@tapestry/status';
import { createKeyStore, type KeyOrigin } from './adapters/key-files.ts';
import { config } from './daemon.ts';

export const CREATE_FLAG = '-createemptydb';

const OPTIONS = {
  hmkid: { type: 'string', default: 'hmk1' },
  hmkpassfile: { type: 'string' },
  kpkid: { type: 'string', default: 'kpk1' },
  kpkpassfile: { type: 'string' },
} as const;
const ID_BYTES_MAX = 255;
const PASSPHRASE_MIN = 16;
const PASSPHRASE_MAX = 1_024;

/** Keys are random unless a file with a passphrase is named; passphrases never stand on a command line. */
export async function createEmptyDb(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  nowMs: number,
): Promise<string> {
  const { base } = parseConfig('nbkms', config, { argv: [], env });
  // NetBackup's options have one dash.
  const { values } = parseArgs({
    args: args.map((arg) => arg.replace(/^-(?=[a-z])/, '--')),
    ...{ options: OPTIONS, strict: true },
  });
  const { data, kpk, hmk } = await createKeyStore(
    join(base.stateDir, 'nbkms'),
    {
      hmk: originOf(values.hmkid, values.hmkpassfile),
      kpk: originOf(values.kpkid, values.kpkpassfile),
    },
    nowMs,
  );
  return `an empty key store was made:\n  ${hmk}\n  ${kpk}\n  ${data}\nCopy all three, and keep the copies apart.\n`;
}

function originOf(id: string, passFile: string | undefined): KeyOrigin {
  if (id === '' || Buffer.byteLength(id) > ID_BYTES_MAX) {
    throw new StatusError('invalidParameter', `a key id has 1 to ${ID_BYTES_MAX} bytes`);
  }
  if (passFile === undefined) return { id, passphrase: undefined };
  const passphrase = readFileSync(passFile, 'utf8').replace(/\r?\n$/, '');
  const { length } = passphrase;
  if (length < PASSPHRASE_MIN || length > PASSPHRASE_MAX || passphrase.trim() !== passphrase) {
    const why = `a passphrase has ${PASSPHRASE_MIN} to ${PASSPHRASE_MAX} signs and no space at its ends`;
    throw new StatusError('invalidParameter', why);
  }
  return { id, passphrase };
}

/** The command: prints what was made, or why not, and says the exit code. */
export async function runCreate(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  try {
    process.stdout.write(await createEmptyDb(args, env, Date.now()));
    return 0;
  } catch (error) {
    const { status, detail, code } = asStatusError(error, 'badUsage');
    process.stderr.write(`${detail}\nEXIT STATUS ${code}: ${status}\n`);
    return exitCode(status);
  }
}
