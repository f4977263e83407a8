// File history from NDMP's form to the spool's: numbers are the same, only the kinds of objects have names.

import type { FileType, HistoryFile, HistoryNode, HistoryStat } from '@tapestry/catalog/spool';
import {
  FILE_TYPE,
  type FileStat,
  type HistoryFile as NdmpFile,
  type HistoryNode as NdmpNode,
} from '@tapestry/ndmp';

const TYPES: Readonly<Record<number, FileType>> = {
  [FILE_TYPE.directory]: 'dir',
  [FILE_TYPE.fifo]: 'fifo',
  [FILE_TYPE.characterDevice]: 'chr',
  [FILE_TYPE.blockDevice]: 'blk',
  [FILE_TYPE.regular]: 'file',
  [FILE_TYPE.symlink]: 'symlink',
  [FILE_TYPE.socket]: 'socket',
};

export function spoolFile(entry: NdmpFile): HistoryFile {
  return { path: entry.name, ...spoolStat(entry.stat, entry.node, entry.fhInfo) };
}

export function spoolNode(entry: NdmpNode): HistoryNode {
  return spoolStat(entry.stat, entry.node, entry.fhInfo);
}

function spoolStat(stat: FileStat, node: bigint, fhInfo: bigint): HistoryStat {
  return {
    type: TYPES[stat.type] ?? 'other',
    ...{ sizeBytes: stat.size, mtimeS: stat.mtime, atimeS: stat.atime, ctimeS: stat.ctime },
    ...{ mode: stat.mode, uid: stat.owner, gid: stat.group, links: stat.links, node, fhInfo },
  };
}
