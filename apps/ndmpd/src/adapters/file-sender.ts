// Files and other leaves of the tree on their way into the stream: as links to what is there already, from bytes that
// were read ahead or loaded a moment ago, or read as they are sent.

import type { AheadRecord } from '../core/ahead-record.ts';
import { memberOf, type ObjectStats } from '../core/entry.ts';
import type { Member } from '../core/tar-encode.ts';
import { parseXattrs, type Xattr } from './attribute-helper.ts';
import type { BackupHistory } from './backup-history.ts';
import type { BackupTroubles } from './backup-troubles.ts';
import type { Child, ChildLoader, LoadRules } from './child-loader.ts';
import { errorCode } from './directory.ts';
import { sendFileData, sparseExtents } from './file-data.ts';
import type { LinkedFiles } from './linked-files.ts';
import type { MemberSender } from './member-sender.ts';
import type { OpenFile, SourceTree } from './source-tree.ts';
import type { StreamSink } from './stream-sink.ts';
import { joinPath, type WalkedDirectory } from './walked-directory.ts';

export interface FileSenderParts {
  readonly tree: SourceTree;
  readonly sink: StreamSink;
  readonly troubles: BackupTroubles;
  readonly history: BackupHistory;
  readonly linked: LinkedFiles;
  readonly loader: ChildLoader;
  readonly sender: MemberSender;
}

export class FileSender {
  readonly #parts: FileSenderParts;
  /** Of files that were to be read ahead and were not. */
  readonly #rules: LoadRules;

  constructor(parts: FileSenderParts) {
    this.#parts = parts;
    const wants = (stats: ObjectStats): boolean => stats.nlink === 1n || !parts.linked.has(stats);
    this.#rules = { wants, examinesFirst: false };
  }

  /** An entry that a record was asked for; a promise only where there is something to wait for. */
  sendAhead(
    walked: WalkedDirectory,
    entry: Child | string,
    record: AheadRecord,
  ): Promise<unknown> | undefined {
    const { sender } = this.#parts;
    const isLoaded = record.hasContent && (this.#parts.tree.holdsMount?.(record.mount) ?? false);
    if (isLoaded && typeof entry === 'string' && record.links === 1 && !record.hasXattrs) {
      const sent = sender.sendPlain(walked, entry, record);
      if (sent !== false) return sent === true ? undefined : sent;
    }
    const { xattrs } = record;
    const child =
      typeof entry === 'string' ? this.#childOf(walked, entry, isLoaded, record) : entry;
    if (child === undefined) return undefined;
    if (xattrs === undefined) return this.#askAndSend(walked, child);
    return this.send(walked, child, parseXattrs(xattrs));
  }

  /** What was not read ahead is loaded now. */
  #childOf(
    walked: WalkedDirectory,
    name: string,
    isLoaded: boolean,
    record: AheadRecord,
  ): Child | undefined {
    if (isLoaded) {
      const { bytes, contentAt, size } = record;
      const content = bytes.subarray(contentAt, contentAt + size);
      return { name, type: 'file', stats: record.toStats(), content };
    }
    this.#parts.loader.startBatch();
    return this.#parts.loader.load(walked, name, 'file', this.#rules);
  }

  /** With more attributes than fit a record. */
  async #askAndSend(walked: WalkedDirectory, child: Child): Promise<void> {
    const found = await this.#parts.tree.attributes.readXattrs(walked.directory, [child.name]);
    await this.send(walked, child, found.get(0) ?? []);
  }

  /** A promise only where the stream or the DMA has to be waited for. */
  send(
    walked: WalkedDirectory,
    child: Child,
    xattrs: readonly Xattr[],
  ): Promise<unknown> | undefined {
    const { history, linked, sender, sink } = this.#parts;
    const path = joinPath(walked.path, child.name);
    const { type, stats } = child;
    history.child(walked, child.name, stats.ino);
    const link = this.#linkTo(path, stats);
    if (link !== undefined) return sender.send({ member: link, type, stats });
    if (type === 'directory' || type === 'socket') return undefined;
    if (type === 'file' && child.content === undefined) {
      return this.#sendLargeFile(walked, child.name, path, xattrs);
    }
    if (stats.nlink > 1n) linked.add(stats, path, sink.position);
    if (child.content !== undefined) {
      const size = child.content.length;
      const member = { ...memberOf('file', path, stats), size, xattrs };
      return sender.send({ member, type, stats, content: child.content });
    }
    const member = { ...memberOf(type, path, stats), xattrs };
    if (type !== 'symlink') return sender.send({ member, type, stats });
    const linkTarget = this.#readLink(walked, child.name, path);
    if (linkTarget === undefined) return undefined;
    return sender.send({ member: { ...member, linkTarget }, type, stats });
  }

  #linkTo(path: Buffer, stats: ObjectStats): Member | undefined {
    const linked = stats.nlink > 1n ? this.#parts.linked.take(stats) : undefined;
    if (linked === undefined) return undefined;
    const link: Member = { ...memberOf('hardlink', path, stats), linkTarget: linked.path };
    return linked.offset === undefined ? link : { ...link, linkOffset: linked.offset };
  }

  #readLink({ directory }: WalkedDirectory, name: string, path: Buffer): Buffer | undefined {
    try {
      return this.#parts.tree.readLink(directory, name);
    } catch (error) {
      this.#parts.troubles.warn(path, `vanished during the backup: ${errorCode(error)}`);
      return undefined;
    }
  }

  async #sendLargeFile(
    walked: WalkedDirectory,
    name: string,
    path: Buffer,
    xattrs: readonly Xattr[],
  ): Promise<void> {
    const { tree, linked, loader, sender, sink } = this.#parts;
    const opened = loader.openFile(walked, name);
    if (opened === undefined) return;
    const { fd, stats } = opened;
    try {
      const plain = { ...memberOf('file', path, stats), xattrs };
      const extents = await sparseExtents(tree, opened);
      const member = extents === undefined ? plain : { ...plain, extents };
      if (stats.nlink > 1n) linked.add(stats, path, sink.position);
      await sender.send({ member, type: 'file', stats });
      await this.#sendData(walked, path, member, opened);
    } finally {
      tree.closeFile(fd);
    }
  }

  async #sendData(
    walked: WalkedDirectory,
    path: Buffer,
    member: Member,
    { fd, stats }: OpenFile,
  ): Promise<void> {
    const { tree, sink, troubles } = this.#parts;
    const outcome = await sendFileData({ tree, fd }, member, sink);
    if (outcome.error !== undefined) {
      const what = `could not be read to its end: ${outcome.error}; the rest is zeros`;
      troubles.fail(walked, path, what);
    } else if (outcome.missingBytes > 0) {
      troubles.warn(path, `shrank by ${outcome.missingBytes} bytes; the rest is zeros`);
    } else {
      const after = tree.statsOfFile(fd);
      if (after.mtimeNs !== stats.mtimeNs || after.size !== stats.size) {
        troubles.warn(path, 'changed while it was read');
      }
    }
  }
}
