// A post of file history as the client hands it on: the raw body, ready to be spooled, and a reader
// that walks its entries without building an array of them.

import type { NdmpVersion } from './catalogue-row.ts';
import type { Codec } from './codec.ts';
import {
  type HistoryDir,
  type HistoryFile,
  type HistoryNode,
  historyDir,
  historyFile,
  historyNode,
} from './history-codec.ts';
import { historyDirV2, historyFileV2, historyNodeV2 } from './history-codec-v2.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

export type HistoryKind = 'file' | 'dir' | 'node';

/** `body` is the XDR array as it came; it is the receiver's to keep. */
export interface HistoryPost {
  kind: HistoryKind;
  body: Buffer;
  /** Whose layout the body has; 4, which is also v3's, when missing. */
  version?: NdmpVersion;
}

export const HISTORY_CODE: Readonly<Record<HistoryKind, number>> = {
  file: 0x703,
  dir: 0x704,
  node: 0x705,
};

const HISTORY_CODE_V2: Readonly<Record<HistoryKind, number>> = {
  file: 0x700,
  dir: 0x701,
  node: 0x702,
};

/** The number of the post that carries this kind in this version. */
export function historyCode(kind: HistoryKind, version: NdmpVersion): number {
  return (version === 2 ? HISTORY_CODE_V2 : HISTORY_CODE)[kind];
}

export interface HistoryVisitor {
  file?(entry: HistoryFile): void;
  dir?(entry: HistoryDir): void;
  node?(entry: HistoryNode): void;
}

/** Entries in a post, without reading them. */
export function countHistory(post: HistoryPost): number {
  return post.body.length >= 4 ? post.body.readUInt32BE(0) : 0;
}

interface EntryCodecs {
  readonly file: Codec<HistoryFile>;
  readonly dir: Codec<HistoryDir>;
  readonly node: Codec<HistoryNode>;
}

const SINCE_V3: EntryCodecs = { file: historyFile, dir: historyDir, node: historyNode };
const ONLY_V2: EntryCodecs = { file: historyFileV2, dir: historyDirV2, node: historyNodeV2 };

function entryCodecs(version: NdmpVersion): EntryCodecs {
  return version === 2 ? ONLY_V2 : SINCE_V3;
}

/** Visits every entry in order; names are views on `post.body`. Throws XdrError on a broken body. */
export function readHistory(post: HistoryPost, visitor: HistoryVisitor): void {
  const reader = new XdrReader(post.body);
  const codecs = entryCodecs(post.version ?? 4);
  const count = reader.count(codecs[post.kind].bytesMin);
  switch (post.kind) {
    case 'file':
      for (let i = 0; i < count; i += 1) visitor.file?.(codecs.file.decode(reader));
      return;
    case 'dir':
      for (let i = 0; i < count; i += 1) visitor.dir?.(codecs.dir.decode(reader));
      return;
    case 'node':
      for (let i = 0; i < count; i += 1) visitor.node?.(codecs.node.decode(reader));
  }
}

/** Collects entries of one kind into a post's body; for servers. */
export class HistoryBatch {
  readonly kind: HistoryKind;
  readonly #codecs: EntryCodecs;
  #writer = new XdrWriter(4096);
  #count = 0;

  constructor(kind: HistoryKind, version: NdmpVersion = 4) {
    this.kind = kind;
    this.#codecs = entryCodecs(version);
    this.#writer.u32(0);
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#writer.length;
  }

  addFile(entry: HistoryFile): void {
    this.#codecs.file.encode(this.#writer, entry);
    this.#count += 1;
  }

  addDir(entry: HistoryDir): void {
    this.#codecs.dir.encode(this.#writer, entry);
    this.#count += 1;
  }

  addNode(entry: HistoryNode): void {
    this.#codecs.node.encode(this.#writer, entry);
    this.#count += 1;
  }

  /** The post's body; the batch starts anew. */
  take(): Buffer {
    this.#writer.patchU32(0, this.#count);
    const body = this.#writer.finish();
    this.#writer = new XdrWriter(4096);
    this.#writer.u32(0);
    this.#count = 0;
    return body;
  }
}
