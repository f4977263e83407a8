// Several files that change together or not at all: staged and synced, then a journal that is the commit, then renamed
// into place. What a crash interrupts is completed, or removed, by the next start.

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StatusError } from '@tapestry/status';

const JOURNAL = 'KMS_TXN.jnl';
const STAGED = '.new';

interface JournalEntry {
  readonly path: string;
  readonly sha256: string;
}

/** Makes a folder that only its owner may enter. Errors: 1257 it is there, and open to others. */
export function privateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { mode } = statSync(path);
  if ((mode & 0o077) !== 0) {
    throw new StatusError('kmsFilePermissions', `${path} is open to others: chmod 700 it`);
  }
}

/** All of them, or none. `journalDir` is one of their folders. */
export function writeTogether(journalDir: string, files: ReadonlyMap<string, Buffer>): void {
  const entries: JournalEntry[] = [];
  for (const [path, bytes] of files) {
    writeSynced(`${path}${STAGED}`, bytes);
    entries.push({ path, sha256: digestOf(bytes) });
  }
  for (const folder of new Set([...files.keys()].map(dirname))) syncFolder(folder);
  const text = JSON.stringify(entries);
  const journal = join(journalDir, JOURNAL);
  writeSynced(`${journal}${STAGED}`, Buffer.from(`${digestOf(Buffer.from(text))}\n${text}`));
  renameSync(`${journal}${STAGED}`, journal);
  syncFolder(journalDir);
  complete(journalDir, entries);
}

/** Completes what was committed, removes what was not. Errors: 1259 a committed file is nowhere. */
export function recover(journalDir: string, folders: readonly string[]): void {
  const journal = join(journalDir, JOURNAL);
  if (existsSync(journal)) {
    const [digest, text = ''] = readFileSync(journal, 'utf8').split('\n');
    if (digest !== digestOf(Buffer.from(text))) {
      throw new StatusError('kmsTransactionBroken', `${journal} is damaged`);
    }
    complete(journalDir, JSON.parse(text) as JournalEntry[]);
  }
  for (const folder of folders) {
    for (const name of readdirSync(folder)) {
      if (name.endsWith(STAGED)) rmSync(join(folder, name));
    }
  }
}

function complete(journalDir: string, entries: readonly JournalEntry[]): void {
  for (const { path, sha256 } of entries) {
    const staged = `${path}${STAGED}`;
    if (isFile(staged, sha256)) renameSync(staged, path);
    else if (!isFile(path, sha256)) {
      const why = `the change names ${basename(path)}, which is neither old nor new`;
      throw new StatusError('kmsTransactionBroken', why);
    }
  }
  for (const folder of new Set(entries.map(({ path }) => dirname(path)))) syncFolder(folder);
  rmSync(join(journalDir, JOURNAL));
  syncFolder(journalDir);
}

function isFile(path: string, sha256: string): boolean {
  return existsSync(path) && digestOf(readFileSync(path)) === sha256;
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function writeSynced(path: string, bytes: Buffer): void {
  rmSync(path, { force: true });
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A file of ours alone: no link, nobody else's. Errors: 1250 missing, 1257 open to others. */
export function readPrivate(path: string, sizeMaxBytes: number): Buffer {
  const name = basename(path);
  const fd = openPrivate(path);
  try {
    const { mode, nlink, uid, size } = fstatSync(fd);
    const isRegular = (mode & constants.S_IFMT) === constants.S_IFREG;
    if (!isRegular || nlink !== 1 || uid !== process.getuid?.() || (mode & 0o077) !== 0) {
      const why = `${name} must be a plain file of the daemon's user alone, mode 600`;
      throw new StatusError('kmsFilePermissions', why);
    }
    if (size > sizeMaxBytes) throw new StatusError('kmsFileCorrupt', `${name} is far too large`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function openPrivate(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP') {
      throw new StatusError('kmsFilePermissions', `${path} is a link`, {}, { cause: error });
    }
    if (code !== 'ENOENT') throw error;
    const why = `${path} is missing: bring it back from a copy, or make a new store with nbkms -createemptydb`;
    throw new StatusError('kmsFileMissing', why, {}, { cause: error });
  }
}
