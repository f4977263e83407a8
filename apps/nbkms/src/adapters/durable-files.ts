// Files that change together or not at all, and one file that is either old or new: staged and synced, then made to
// count by one rename. What a crash interrupted is completed, or removed, by the next start.

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { type FilePort, writeAll } from './file-port.ts';

const JOURNAL = 'KMS_TXN.jnl';
const STAGED = '.new';
const PREVIOUS = '.prev';
const LINKED = '.prev.new';

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
export async function writeTogether(
  files: FilePort,
  journalDir: string,
  contents: ReadonlyMap<string, Buffer>,
): Promise<void> {
  const entries: JournalEntry[] = [];
  for (const [path, bytes] of contents) {
    await writeSynced(files, `${path}${STAGED}`, bytes);
    entries.push({ path, sha256: digestOf(bytes) });
  }
  for (const folder of new Set([...contents.keys()].map(dirname))) await files.syncFolder(folder);
  const text = JSON.stringify(entries);
  const journal = join(journalDir, JOURNAL);
  const bytes = Buffer.from(`${digestOf(Buffer.from(text))}\n${text}`);
  await writeSynced(files, `${journal}${STAGED}`, bytes);
  await files.rename(`${journal}${STAGED}`, journal);
  await files.syncFolder(journalDir);
  await complete(files, journalDir, entries);
}

/**
 * Replaces one file; the content before it stays as `.prev`. `check` looks at what was written before it counts. When
 * this throws before the last rename nothing has changed. Errors: those of the port, and of `check`.
 */
export async function replaceOne(
  files: FilePort,
  path: string,
  bytes: Buffer,
  check: (written: Buffer) => void,
): Promise<void> {
  const staged = `${path}${STAGED}`;
  await writeSynced(files, staged, bytes);
  check(readFileSync(staged));
  await files.remove(`${path}${LINKED}`);
  await files.link(path, `${path}${LINKED}`);
  await files.rename(`${path}${LINKED}`, `${path}${PREVIOUS}`);
  await files.rename(staged, path);
  await files.syncFolder(dirname(path));
}

/** The content before the last change of a file: after a change of its keys it must go, since it is under the old. */
export async function forgetPrevious(files: FilePort, path: string): Promise<void> {
  await files.remove(`${path}${PREVIOUS}`);
  await files.syncFolder(dirname(path));
}

/** A change of several files that began was not committed: the next start undoes it, and the files are as they were. */
export function isUncommitted(journalDir: string): boolean {
  return !existsSync(join(journalDir, JOURNAL));
}

/** Takes away what a failed change staged. */
export async function unstage(files: FilePort, path: string): Promise<void> {
  await files.remove(`${path}${STAGED}`);
}

/**
 * Completes what was committed, removes what was not. `isWhole` says whether the files as they are belong together:
 * then a damaged journal was never finished. Errors: 1259 a committed file is nowhere, or nobody can know.
 */
export async function recover(
  files: FilePort,
  journalDir: string,
  folders: readonly string[],
  isWhole: () => boolean,
): Promise<void> {
  const journal = join(journalDir, JOURNAL);
  if (existsSync(journal)) {
    const [digest, text = ''] = readFileSync(journal, 'utf8').split('\n');
    if (digest === digestOf(Buffer.from(text))) {
      await complete(files, journalDir, JSON.parse(text) as JournalEntry[]);
    } else if (isWhole()) await files.remove(journal);
    else throw new StatusError('kmsTransactionBroken', `${journal} is damaged`);
  }
  for (const folder of folders) {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (name.endsWith(STAGED) || isSecondName(path)) await files.remove(path);
    }
  }
}

/** A crash between two renames leaves the file and its former content as one: the file must have one name alone. */
function isSecondName(path: string): boolean {
  if (!path.endsWith(PREVIOUS)) return false;
  const current = path.slice(0, -PREVIOUS.length);
  return existsSync(current) && statSync(path).ino === statSync(current).ino;
}

async function complete(
  files: FilePort,
  journalDir: string,
  entries: readonly JournalEntry[],
): Promise<void> {
  // Looked at before anything is moved: where one is nowhere, everything stays for a person to look at.
  const staged = entries.filter(({ path, sha256 }) => isFile(`${path}${STAGED}`, sha256));
  for (const entry of entries) {
    if (staged.includes(entry) || isFile(entry.path, entry.sha256)) continue;
    const why = `the change names ${basename(entry.path)}, which is neither old nor new`;
    throw new StatusError('kmsTransactionBroken', why);
  }
  for (const { path } of staged) await files.rename(`${path}${STAGED}`, path);
  for (const folder of new Set(entries.map(({ path }) => dirname(path)))) {
    await files.syncFolder(folder);
  }
  await files.remove(join(journalDir, JOURNAL));
  await files.syncFolder(journalDir);
}

function isFile(path: string, sha256: string): boolean {
  return existsSync(path) && digestOf(readFileSync(path)) === sha256;
}

export function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function writeSynced(files: FilePort, path: string, bytes: Buffer): Promise<void> {
  await files.remove(path);
  const file = await files.create(path);
  try {
    await writeAll(file, bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A file of ours alone: no link, nobody else's. Errors: 1250 missing, 1251 empty, 1257 open to others. */
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
