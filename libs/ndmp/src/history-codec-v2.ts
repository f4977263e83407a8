// File history of v2: UNIX only, 32-bit nodes, fh_info inside the stat. The entries are those of v3
// and v4, with "unknown" where v2 has no word.

import type { Codec } from './codec.ts';
import { U32_MAX, U64_MAX } from './constants.ts';
import {
  type FileStat,
  type HistoryDir,
  type HistoryFile,
  type HistoryNode,
  readStatFields,
  writeStatFields,
} from './history-codec.ts';
import type { XdrReader, XdrWriter } from './xdr.ts';

/** In the wire's order: fh_info stands behind the stat. */
const readStat = (reader: XdrReader): { stat: FileStat; fhInfo: bigint } => ({
  stat: readStatFields(reader),
  fhInfo: reader.u64(),
});

function writeStat(writer: XdrWriter, { stat, fhInfo }: { stat: FileStat; fhInfo: bigint }): void {
  writeStatFields(writer, stat);
  writer.u64(fhInfo);
}

/** A node that does not fit into v2's word is unknown there. */
const shortNode = (node: bigint): number => (node < BigInt(U32_MAX) ? Number(node) : U32_MAX);
const longNode = (node: number): bigint => (node === U32_MAX ? U64_MAX : BigInt(node));

export const historyFileV2: Codec<HistoryFile> = {
  bytesMin: 48,
  encode(writer, entry) {
    writer.opaque(entry.name);
    writeStat(writer, entry);
  },
  decode: (reader) => ({ name: reader.opaque(), ...readStat(reader), node: U64_MAX }),
};

export const historyDirV2: Codec<HistoryDir> = {
  bytesMin: 12,
  encode(writer, entry) {
    writer.opaque(entry.name);
    writer.u32(shortNode(entry.node));
    writer.u32(shortNode(entry.parent));
  },
  decode: (reader) => ({
    name: reader.opaque(),
    node: longNode(reader.u32()),
    parent: longNode(reader.u32()),
  }),
};

export const historyNodeV2: Codec<HistoryNode> = {
  bytesMin: 48,
  encode(writer, entry) {
    writeStat(writer, entry);
    writer.u32(shortNode(entry.node));
  },
  decode: (reader) => ({ ...readStat(reader), node: longNode(reader.u32()) }),
};
