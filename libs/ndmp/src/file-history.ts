// A post of file history as the client hands it on: the raw body, ready to be spooled, and a reader
// that walks its entries without building an array of them.

import {
  type HistoryDir,
  type HistoryFile,
  type HistoryNode,
  historyDir,
  historyFile,
  historyNode,
} from './history-codec.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

export type HistoryKind = 'file' | 'dir' | 'node';

/** `body` is the XDR array as it came; it is the receiver's to keep. */
export interface HistoryPost {
  kind: HistoryKind;
  body: Buffer;
}

export const HISTORY_CODE: Readonly<Record<HistoryKind, number>> = {
  file: 0x703,
  dir: 0x704,
  node: 0x705,
};

export interface HistoryVisitor {
  file?(entry: HistoryFile): void;
  dir?(entry: HistoryDir): void;
  node?(entry: HistoryNode): void;
}

/** Entries in a post, without reading them. */
export function countHistory(post: HistoryPost): number {
  return post.body.length >= 4 ? post.body.readUInt32BE(0) : 0;
}

/** Visits every entry in order; names are views on `post.body`. Throws XdrError on a broken body. */
export function readHistory(post: HistoryPost, visitor: HistoryVisitor): void {
  const reader = new XdrReader(post.body);
  const count = reader.count(20);
  switch (post.kind) {
    case 'file':
      for (let i = 0; i < count; i += 1) visitor.file?.(historyFile.decode(reader));
      return;
    case 'dir':
      for (let i = 0; i < count; i += 1) visitor.dir?.(historyDir.decode(reader));
      return;
    case 'node':
      for (let i = 0; i < count; i += 1) visitor.node?.(historyNode.decode(reader));
  }
}

/** Collects entries of one kind into a post's body; for servers. */
export class HistoryBatch {
  readonly kind: HistoryKind;
  #writer = new XdrWriter(4096);
  #count = 0;

  constructor(kind: HistoryKind) {
    this.kind = kind;
    this.#writer.u32(0);
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#writer.length;
  }

  addFile(entry: HistoryFile): void {
    historyFile.encode(this.#writer, entry);
    this.#count += 1;
  }

  addDir(entry: HistoryDir): void {
    historyDir.encode(this.#writer, entry);
    this.#count += 1;
  }

  addNode(entry: HistoryNode): void {
    historyNode.encode(this.#writer, entry);
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
