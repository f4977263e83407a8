// A file of a backup: its path, or a line like that of `ls -l`.

import { isUtf8 } from 'node:buffer';
import type { FileRow } from '@tapestry/contracts';
import { formatFileTime } from '../date-time.ts';

const TYPE_SIGNS: Readonly<Record<string, string>> = {
  ...{ file: '-', dir: 'd', symlink: 'l', fifo: 'p', chr: 'c', blk: 'b', socket: 's' },
};
const PERMISSIONS = ['---', '--x', '-w-', '-wx', 'r--', 'r-x', 'rw-', 'rwx'];
const SET_UID = 0o4000;
const SET_GID = 0o2000;
const STICKY = 0o1000;

/** Control signs, and a backslash that would be read as the begin of an escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const TEXT_SIGNS = /[\u0000-\u001f\u007f-\u009f]|\\(?=x[0-9a-f]{2})/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BYTE_SIGNS = /[\u0000-\u001f\u007f-\u00ff]|\\(?=x[0-9a-f]{2})/g;

/** Folders end with a slash. Signs that a terminal would obey, and bytes that are no text, show as `\xNN`: see `pathBytes`. */
export function pathText({ path, type }: FileRow): string {
  const text = printable(path);
  return type === 'dir' && !text.endsWith('/') ? `${text}/` : text;
}

/** One line that no terminal obeys. What it escapes in a name that is no UTF-8 is each byte beyond ASCII. */
export function printable(path: Uint8Array): string {
  const bytes = Buffer.from(path);
  return isUtf8(bytes)
    ? bytes.toString().replaceAll(TEXT_SIGNS, (sign) => escaped(Buffer.from(sign)))
    : bytes
        .toString('latin1')
        .replaceAll(BYTE_SIGNS, (sign) => escaped(Buffer.from(sign, 'latin1')));
}

/** The path that `printable` shows so, or that somebody typed: `\xNN` stands for one byte. */
export function pathBytes(text: string): Buffer {
  const parts = text.split(/\\x([0-9a-f]{2})/);
  return Buffer.concat(
    parts.map((part, at) => (at % 2 === 0 ? Buffer.from(part) : Buffer.from(part, 'hex'))),
  );
}

function escaped(bytes: Buffer): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** `withBackupTime`: when it was backed up stands where its own time does. */
export function fileLong(file: FileRow, withBackupTime: boolean): string {
  const at = withBackupTime ? backupTimeS(file.backupId) : file.mtimeS;
  return [
    modeText(file.type, file.mode),
    String(file.uid).padEnd(8),
    String(file.gid).padEnd(8),
    String(file.sizeBytes).padStart(12),
    formatFileTime(at),
    pathText(file),
  ].join(' ');
}

export function modeText(type: string, mode: number): string {
  const part = (shift: number): string => PERMISSIONS[(mode >> shift) & 7] ?? '---';
  const special = (text: string, on: boolean, letter: string): string =>
    on ? text.slice(0, 2) + (text.endsWith('x') ? letter : letter.toUpperCase()) : text;
  return [
    TYPE_SIGNS[type] ?? '?',
    special(part(6), (mode & SET_UID) !== 0, 's'),
    special(part(3), (mode & SET_GID) !== 0, 's'),
    special(part(0), (mode & STICKY) !== 0, 't'),
  ].join('');
}

/** A backup id ends with `_` and its time. */
function backupTimeS(backupId: string): bigint {
  const text = /_(\d+)$/.exec(backupId)?.[1];
  return text === undefined ? 0n : BigInt(text);
}
