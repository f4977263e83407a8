// File history on the wire: FH_ADD_FILE, FH_ADD_DIR and FH_ADD_NODE as flat entries, the same in v3
// and v4. Hundreds of thousands arrive a second, so this is written by hand instead of composed: one
// entry object each, names as views on the record. An entry keeps the first UNIX name and stat, else
// the first of any kind.

import type { Codec } from './codec.ts';
import { FILE_TYPE, FS_TYPE, U32_MAX } from './constants.ts';
import type { XdrReader, XdrWriter } from './xdr.ts';

export interface FileStat {
  /** FILE_TYPE */
  type: number;
  mtime: number;
  atime: number;
  ctime: number;
  owner: number;
  group: number;
  /** Permission bits, 0o7777. */
  mode: number;
  size: bigint;
  links: number;
}

/** HIST=F: a path from the backup root, starting with the separator. */
export interface HistoryFile {
  name: Buffer;
  stat: FileStat;
  node: bigint;
  fhInfo: bigint;
}

/** HIST=D: `name` in the directory `parent` is object `node`. */
export interface HistoryDir {
  name: Buffer;
  node: bigint;
  parent: bigint;
}

/** HIST=D: what object `node` is. */
export interface HistoryNode {
  stat: FileStat;
  node: bigint;
  fhInfo: bigint;
}

const NAME_BYTES_MIN = 8;
const STAT_BYTES = 48;
const EMPTY: Buffer = Buffer.alloc(0);

/** What a peer that sends no stat at all is taken to mean: nothing known but the name. */
function unknownStat(): FileStat {
  return {
    type: FILE_TYPE.other,
    mtime: U32_MAX,
    atime: U32_MAX,
    ctime: U32_MAX,
    owner: U32_MAX,
    group: U32_MAX,
    mode: U32_MAX,
    size: 0n,
    links: 1,
  };
}

function readNames(reader: XdrReader): Buffer {
  const count = reader.count(NAME_BYTES_MIN);
  let found = EMPTY;
  let foundType = -1;
  for (let i = 0; i < count; i += 1) {
    const fsType = reader.i32();
    const name = reader.opaque();
    if (fsType === FS_TYPE.nt) reader.opaque(); // the DOS name beside the NT name
    if (foundType === -1 || (fsType === FS_TYPE.unix && foundType !== FS_TYPE.unix)) {
      found = name;
      foundType = fsType;
    }
  }
  return found;
}

function readStats(reader: XdrReader): FileStat {
  const count = reader.count(STAT_BYTES);
  let stat: FileStat | undefined;
  let statType = -1;
  for (let i = 0; i < count; i += 1) {
    reader.skip(4); // `unsupported`: unknown values are all ones as well
    const fsType = reader.i32();
    const better = stat === undefined || (fsType === FS_TYPE.unix && statType !== FS_TYPE.unix);
    const next = readStat(reader);
    if (better) {
      stat = next;
      statType = fsType;
    }
  }
  return stat ?? unknownStat();
}

/** What a stat says in every version; only the links are not told. */
export function readStatFields(reader: XdrReader): FileStat {
  return {
    type: reader.i32(),
    mtime: reader.u32(),
    atime: reader.u32(),
    ctime: reader.u32(),
    owner: reader.u32(),
    group: reader.u32(),
    mode: reader.u32(),
    size: reader.u64(),
    links: 1,
  };
}

function readStat(reader: XdrReader): FileStat {
  const stat = readStatFields(reader);
  stat.links = reader.u32();
  return stat;
}

function writeName(writer: XdrWriter, name: Buffer): void {
  writer.u32(1);
  writer.i32(FS_TYPE.unix);
  writer.opaque(name);
}

export function writeStatFields(writer: XdrWriter, stat: FileStat): void {
  writer.i32(stat.type);
  writer.u32(stat.mtime);
  writer.u32(stat.atime);
  writer.u32(stat.ctime);
  writer.u32(stat.owner);
  writer.u32(stat.group);
  writer.u32(stat.mode);
  writer.u64(stat.size);
}

function writeStat(writer: XdrWriter, stat: FileStat): void {
  writer.u32(1);
  writer.u32(0);
  writer.i32(FS_TYPE.unix);
  writeStatFields(writer, stat);
  writer.u32(stat.links);
}

export const historyFile: Codec<HistoryFile> = {
  bytesMin: 24,
  encode(writer, entry) {
    writeName(writer, entry.name);
    writeStat(writer, entry.stat);
    writer.u64(entry.node);
    writer.u64(entry.fhInfo);
  },
  decode: (reader) => ({
    name: readNames(reader),
    stat: readStats(reader),
    node: reader.u64(),
    fhInfo: reader.u64(),
  }),
};

export const historyDir: Codec<HistoryDir> = {
  bytesMin: 20,
  encode(writer, entry) {
    writeName(writer, entry.name);
    writer.u64(entry.node);
    writer.u64(entry.parent);
  },
  decode: (reader) => ({ name: readNames(reader), node: reader.u64(), parent: reader.u64() }),
};

export const historyNode: Codec<HistoryNode> = {
  bytesMin: 20,
  encode(writer, entry) {
    writeStat(writer, entry.stat);
    writer.u64(entry.node);
    writer.u64(entry.fhInfo);
  },
  decode: (reader) => ({ stat: readStats(reader), node: reader.u64(), fhInfo: reader.u64() }),
};
