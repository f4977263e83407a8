// A file of a backup: its path, or a line like that of `ls -l`.

import type { FileRow } from '@tapestry/contracts';
import { formatFileTime } from '../date-time.ts';

const TYPE_SIGNS: Readonly<Record<string, string>> = {
  ...{ file: '-', dir: 'd', symlink: 'l', fifo: 'p', chr: 'c', blk: 'b', socket: 's' },
};
const PERMISSIONS = ['---', '--x', '-w-', '-wx', 'r--', 'r-x', 'rw-', 'rwx'];
const SET_UID = 0o4000;
const SET_GID = 0o2000;
const STICKY = 0o1000;

/** Folders end with a slash. Signs that a terminal would obey, and bytes that are no text, show as `\xNN`. */
export function pathText({ path, type }: FileRow): string {
  const text = printable(path);
  return type === 'dir' && !text.endsWith('/') ? `${text}/` : text;
}

export function printable(path: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf8', { fatal: true, ignoreBOM: true }).decode(path);
  } catch {
    text = Array.from(path, (byte) =>
      byte < 0x80 ? String.fromCharCode(byte) : escaped(byte),
    ).join('');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (sign) => escaped(sign.charCodeAt(0)));
}

function escaped(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
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
