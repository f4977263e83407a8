// One object of the file system as history and as a member of the archive.

import type { BigIntStats } from 'node:fs';
import { FILE_TYPE, type FileStat, U32_MAX } from '@tapestry/ndmp';
import type { Member, MemberType } from './tar-encode.ts';

/** The types of inode that S_IFMT tells apart. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'char' | 'block' | 'socket';

/** What a backup needs to know of an object whose type it knows. */
export type ObjectStats = Pick<
  BigIntStats,
  | 'dev'
  | 'ino'
  | 'rdev'
  | 'mode'
  | 'nlink'
  | 'uid'
  | 'gid'
  | 'size'
  | 'atimeNs'
  | 'ctimeNs'
  | 'mtimeNs'
>;

export function typeOf(stats: BigIntStats): EntryType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice()) return 'char';
  if (stats.isBlockDevice()) return 'block';
  return stats.isSocket() ? 'socket' : undefined;
}

const HISTORY_TYPE: Readonly<Record<EntryType, number>> = {
  file: FILE_TYPE.regular,
  directory: FILE_TYPE.directory,
  symlink: FILE_TYPE.symlink,
  fifo: FILE_TYPE.fifo,
  char: FILE_TYPE.characterDevice,
  block: FILE_TYPE.blockDevice,
  socket: FILE_TYPE.socket,
};

/** Unsigned 32-bit seconds: earlier times show as 0, later ones as the last second. */
export function historySeconds(seconds: number): number {
  return Math.min(Math.max(seconds, 0), U32_MAX - 1);
}

function secondsOf(ns: bigint): number {
  return historySeconds(Math.floor(Number(ns / 1_000_000n) / 1000));
}

export function historyStat(type: EntryType, stats: ObjectStats): FileStat {
  return {
    type: HISTORY_TYPE[type],
    mtime: secondsOf(stats.mtimeNs),
    atime: secondsOf(stats.atimeNs),
    ctime: secondsOf(stats.ctimeNs),
    owner: Number(stats.uid),
    group: Number(stats.gid),
    mode: Number(stats.mode & 0o7777n),
    size: stats.size,
    links: Number(stats.nlink),
  };
}

/** True when the object must be in an incremental: a time equal to the base counts as later. */
export function changedSince(stats: ObjectStats, sinceNs: bigint | undefined): boolean {
  return sinceNs === undefined || stats.mtimeNs >= sinceNs || stats.ctimeNs >= sinceNs;
}

export function memberOf(type: MemberType, path: Buffer, stats: ObjectStats): Member {
  const isDevice = type === 'char' || type === 'block';
  return {
    type,
    path,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === 'file' ? Number(stats.size) : 0,
    mtimeNs: stats.mtimeNs,
    ...(isDevice ? deviceNumbers(stats.rdev) : {}),
  };
}

/** Linux's split of a device number. */
function deviceNumbers(rdev: bigint): { deviceMajor: number; deviceMinor: number } {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return { deviceMajor: Number(major), deviceMinor: Number(minor) };
}
