// The plain form in which file history is handed to this library; ndmpagent maps NDMP posts to it.

export const FILE_TYPES = [
  'file',
  'dir',
  'symlink',
  'fifo',
  'chr',
  'blk',
  'socket',
  'other',
] as const;
export type FileType = (typeof FILE_TYPES)[number];

/** Unknown 32-bit fields and an unknown fh_info are all ones in the spool, as they are on NDMP's wire. */
export const UNKNOWN_32 = 0xffffffff;
export const UNKNOWN_64 = 0xffffffffffffffffn;

/** What is known of one object. An absent field is unknown; so is a field that holds all ones. */
export interface HistoryStat {
  readonly type: FileType;
  readonly sizeBytes: bigint;
  /** Seconds since 1970, unsigned 32 bits, as NDMP has them. */
  readonly mtimeS?: number | undefined;
  readonly atimeS?: number | undefined;
  readonly ctimeS?: number | undefined;
  /** Permission bits (07777 on UNIX). */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly links?: number | undefined;
  /** Inode number; 0 where a FILE history has none. */
  readonly node: bigint;
  /** Where the object lies in the backup stream; absent or all ones: unknown, so no direct access. */
  readonly fhInfo?: bigint | undefined;
}

/** FH_ADD_FILE: a path in any bytes, relative to the backup root. */
export interface HistoryFile extends HistoryStat {
  readonly path: Uint8Array;
}

/** FH_ADD_DIR: directory `parent` holds `node` under `name`, which has no separator. `.` and `..` included. */
export interface HistoryDir {
  readonly parent: bigint;
  readonly node: bigint;
  readonly name: Uint8Array;
}

/** FH_ADD_NODE: what is known of `node`. */
export type HistoryNode = HistoryStat;

export interface SpoolCounts {
  readonly files: number;
  readonly dirs: number;
  readonly nodes: number;
}
