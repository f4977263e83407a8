// What nbkms does as a command, on the files of a store that no daemon has open: make an empty one, tell about one,
// look whether one is whole, and make a lost master key file again from its passphrase.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseConfig } from '@tapestry/runtime';
import { asStatusError, exitCode, StatusError } from '@tapestry/status';
import { digestOf, readPrivate } from './adapters/durable-files.ts';
import { type FilePort, hostFiles } from './adapters/file-port.ts';
import {
  APPROVED_POLICY,
  type DerivationPolicy,
  STANDARD_POLICY,
} from './adapters/key-derivation.ts';
import {
  createKeyStore,
  type KeyOrigin,
  keyFilePaths,
  loadKeyStore,
  readKeyFile,
  resetMasterKey,
} from './adapters/key-files.ts';
import { isGenuine, recordKeysOf } from './adapters/record-sealing.ts';
import { lockStore } from './adapters/store-lock.ts';
import { FIELD, FLAG, type Header, textField } from './core/container.ts';
import { checkedPassphrase } from './core/passphrase.ts';
import { config } from './daemon.ts';
import { checkId } from './store-handlers.ts';

const OPTIONS = {
  hmkid: { type: 'string', default: 'hmk1' },
  hmkpassfile: { type: 'string' },
  kpkid: { type: 'string', default: 'kpk1' },
  kpkpassfile: { type: 'string' },
  sitesalt: { type: 'string' },
} as const;
type Options = Readonly<Partial<Record<keyof typeof OPTIONS, string>>>;

const HELP = `nbkms: the key manager. Without an option it runs as a daemon.

  -createemptydb [-hmkid ID] [-hmkpassfile FILE] [-kpkid ID] [-kpkpassfile FILE] [-sitesalt HEX]
                  make an empty key store; keys are random unless a file with a passphrase is named
  -info           ids and origin of the master keys, generation: needs no secret
  -verifydb       look whether all three files are whole and belong together
  -resethmk -hmkpassfile FILE
  -resetkpk -kpkpassfile FILE
                  make a lost master key file again from its passphrase
  -help           this text
`;

/** Where a command works. */
interface Place {
  readonly dir: string;
  readonly policy: DerivationPolicy;
  readonly files: FilePort;
  readonly nowMs: number;
}

type OfflineCommand = (place: Place, options: Options) => Promise<string>;

const COMMANDS: Readonly<Record<string, OfflineCommand>> = {
  '-help': async () => HELP,
  '-createemptydb': createEmptyDb,
  '-info': async ({ dir }) => infoText(readKeyFile(keyFilePaths(dir).data, 'data').header),
  '-verifydb': verifyDb,
  '-resethmk': (place, { hmkpassfile }) => reset(place, 'hmk', hmkpassfile),
  '-resetkpk': (place, { kpkpassfile }) => reset(place, 'kpk', kpkpassfile),
};

export function isOfflineCommand(word: string | undefined): word is string {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}

/** Prints what came of it, and answers the exit code. */
export async function runOffline(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  try {
    const { base, config: settings } = parseConfig('nbkms', config, { argv: [], env });
    // NetBackup's options have one dash.
    const words = args.map((arg) => arg.replace(/^-(?=[a-z])/, '--'));
    const { values } = parseArgs({ args: words, options: OPTIONS, strict: true });
    const policy = settings.approvedOnly ? APPROVED_POLICY : STANDARD_POLICY;
    const dir = join(base.stateDir, 'nbkms');
    const place = { dir, policy, files: hostFiles, nowMs: Date.now() };
    process.stdout.write(await COMMANDS[name]!(place, values));
    return 0;
  } catch (error) {
    const { status, detail, code } = asStatusError(error, 'badUsage');
    process.stderr.write(`${detail}\nEXIT STATUS ${code}: ${status}\n`);
    return exitCode(status);
  }
}

async function createEmptyDb(place: Place, options: Options): Promise<string> {
  const { files, dir, policy, nowMs } = place;
  const salt = options.sitesalt;
  if (salt !== undefined && !/^[0-9a-f]{64}$/.test(salt)) {
    throw new StatusError('kmsUsage', 'a site salt has 64 hex digits, as -info shows it');
  }
  const request = {
    hmk: originOf(options.hmkid ?? '', options.hmkpassfile),
    kpk: originOf(options.kpkid ?? '', options.kpkpassfile),
    ...{ policy, ...(salt === undefined ? {} : { siteSalt: Buffer.from(salt, 'hex') }) },
  };
  const { data, kpk, hmk } = await createKeyStore(files, dir, request, nowMs);
  return (
    `an empty key store was made:\n  ${hmk}\n  ${kpk}\n  ${data}\n` +
    'Copy all three, and keep the copies apart.\n' +
    `\nFor recovery from passphrases, keep on paper:\n${infoText(readKeyFile(data, 'data').header)}`
  );
}

function originOf(id: string, passFile: string | undefined): KeyOrigin {
  checkId(id);
  return { id, passphrase: passFile === undefined ? undefined : passphraseIn(passFile) };
}

function passphraseIn(file: string): string {
  const bytes = readFileSync(file);
  const ending = /\r?\n$/.exec(bytes.toString('latin1'))?.[0].length ?? 0;
  return checkedPassphrase(bytes.subarray(0, bytes.length - ending));
}

function infoText({ fields, flags, generation, epoch, storeId }: Header): string {
  const hex = (field: number) => fields.get(field)?.toString('hex') ?? '';
  const origin = (flag: number) => ((flags & flag) === 0 ? 'random' : 'passphrase');
  const rows = [
    ['HMK ID', textField(fields, FIELD.hmkId)],
    ['HMK origin', origin(FLAG.hmkFromPassphrase)],
    ['HMK fingerprint', hex(FIELD.hmkFingerprint)],
    ['KPK ID', textField(fields, FIELD.kpkId)],
    ['KPK origin', origin(FLAG.kpkFromPassphrase)],
    ['KPK fingerprint', hex(FIELD.kpkFingerprint)],
    ['Site salt', hex(FIELD.siteSalt)],
    ['Store', storeId.toString('hex')],
    ['Generation', `${generation}`],
    ['Epoch', `${epoch}`],
  ];
  return rows.map(([name, value]) => `${`${name}:`.padEnd(18)}${value}\n`).join('');
}

/** Changes nothing but what a start would complete. Errors: as a start. */
async function verifyDb({ dir, files }: Place): Promise<string> {
  const { dbDir, data, kpk, hmk } = keyFilePaths(dir);
  if (!existsSync(dbDir)) readKeyFile(data, 'data');
  const lock = lockStore(dbDir);
  try {
    const loaded = await loadKeyStore(files, dir);
    const recordKeys = recordKeysOf(loaded.kpk);
    for (const secret of [loaded.hmk, loaded.kpk]) secret.fill(0);
    const forged = loaded.document.keys.find((key) => !isGenuine(recordKeys, key));
    if (forged !== undefined) {
      throw new StatusError('kmsFileTampered', `key ${forged.name} was changed by somebody`);
    }
    const { groups, keys } = loaded.document;
    const lines = [data, kpk, hmk].map(
      (path) => `ok  ${path}  sha256 ${digestOf(readPrivate(path, Number.MAX_SAFE_INTEGER))}\n`,
    );
    return `${lines.join('')}${groups.length} key groups, ${keys.length} keys, generation ${loaded.header.generation}\n`;
  } finally {
    lock.close();
  }
}

async function reset(
  { dir, files, policy }: Place,
  which: 'hmk' | 'kpk',
  passFile: string | undefined,
): Promise<string> {
  if (passFile === undefined) {
    throw new StatusError('kmsUsage', `-${which}passfile FILE is needed`);
  }
  const paths = keyFilePaths(dir);
  mkdirSync(paths.dbDir, { recursive: true, mode: 0o700 });
  const lock = lockStore(paths.dbDir);
  try {
    await resetMasterKey(files, dir, { which, passphrase: passphraseIn(passFile), policy });
    return `${paths[which]} was made again\n`;
  } finally {
    lock.close();
  }
}
