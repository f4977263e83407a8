// One backup: walks a directory tree and writes it as a pax stream, with file history on the side. What
// changes, vanishes or cannot be read is reported and never breaks the stream.

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
} from 'node:fs';
import { textFromBytes } from '@tapestry/ndmp';
import type { BackupOrder } from '../core/data-protocol.ts';
import { changedSince, type EntryType, historyStat, memberOf, typeOf } from '../core/entry.ts';
import { END_OF_ARCHIVE, encodeMember, type Member } from '../core/tar-encode.ts';
import { AttributeHelper, type Xattr } from './attribute-helper.ts';
import {
  closeDirectory,
  type Directory,
  errorCode,
  openAt,
  openBelow,
  openRoot,
  pathIn,
} from './directory.ts';
import { sendFileData, sparseExtents } from './file-data.ts';
import type { Reporter } from './reporter.ts';
import type { StreamSink } from './stream-sink.ts';

const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Files with more names than this many are kept in mind at a time; later links become copies. */
const LINKED_FILES_MAX = 1_000_000;
/** Up to here a file is read in one call right after its size was asked: no time to change. */
const SMALL_FILE_BYTES = 64n * 1024n;
const NO_XATTRS: readonly Xattr[] = [];
/** Attributes are asked for in batches: the helper is another process. */
const XATTR_BATCH = 1000;
const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');
const SLASH = Buffer.from('/');

/** The backup root cannot be opened: there is nothing to back up. */
export class RootError extends Error {
  override readonly name = 'RootError';
}

interface Child {
  readonly name: Buffer;
  /** For system calls, while its directory is open. */
  readonly location: Buffer;
  readonly type: EntryType;
  readonly stats: BigIntStats;
  xattrs: readonly Xattr[];
}

interface LinkedFile {
  readonly path: Buffer;
  readonly offset: number;
  namesLeft: number;
}

export interface BackupTotals {
  readonly members: number;
  /** Objects that are missing from the stream or not whole in it. */
  readonly failed: number;
}

export class BackupRun {
  readonly #order: BackupOrder;
  readonly #sink: StreamSink;
  readonly #report: Reporter;
  readonly #helper = new AttributeHelper();
  readonly #linked = new Map<string, LinkedFile>();
  #device = 0n;
  #members = 0;
  #failed = 0;

  constructor(order: BackupOrder, sink: StreamSink, report: Reporter) {
    this.#order = order;
    this.#sink = sink;
    this.#report = report;
  }

  /** Sends the whole stream and its end mark. Rejects with RootError, or with the socket's error. */
  async run(): Promise<BackupTotals> {
    const directory = this.#openTop();
    try {
      const stats = fstatSync(directory.fd, { bigint: true });
      this.#device = stats.dev;
      if (this.#order.history === 'dir') {
        this.#dirEntry(DOT, stats.ino, stats.ino);
        this.#dirEntry(DOT_DOT, stats.ino, stats.ino);
      }
      await this.#checkHelper();
      const [xattrs] = await this.#helper.readXattrs([pathIn(directory, DOT)]);
      const top = { stats, xattrs: xattrs ?? NO_XATTRS };
      await this.#backUpDirectory(directory, Buffer.alloc(0), top, undefined);
    } finally {
      this.#helper.close();
      closeDirectory(directory);
    }
    await this.#sink.put(END_OF_ARCHIVE);
    this.#report.flushHistory();
    return { members: this.#members, failed: this.#failed };
  }

  async #checkHelper(): Promise<void> {
    if (await this.#helper.ready()) return;
    this.#report.warning('no Perl here: extended attributes and ACLs are left out');
  }

  #openTop(): Directory {
    const { exportDirectory, components, shownRoot } = this.#order;
    try {
      const root = openRoot(exportDirectory);
      try {
        return openAt(
          root,
          components.map((part) => Buffer.from(part)),
        );
      } finally {
        closeDirectory(root);
      }
    } catch (cause) {
      throw new RootError(`cannot open ${shownRoot}: ${errorCode(cause)}`, { cause });
    }
  }

  async #backUpDirectory(
    directory: Directory,
    path: Buffer,
    { stats, xattrs }: { stats: BigIntStats; xattrs: readonly Xattr[] },
    parent: bigint | undefined,
  ): Promise<void> {
    const member = { ...memberOf('directory', path, stats), xattrs };
    await this.#sendMember(member, 'directory', stats);
    const children = this.#readChildren(directory, path);
    await this.#readXattrs(children);
    if (this.#order.history === 'dir') this.#dirHistory(children, stats.ino, parent);
    for (const child of children) {
      const childPath = path.length === 0 ? child.name : Buffer.concat([path, SLASH, child.name]);
      await this.#backUpChild(directory, child, childPath, stats.ino);
    }
    this.#report.flushOldHistory();
    await this.#report.room();
  }

  /** Of those that go into the stream: links to a member already there carry none. */
  async #readXattrs(children: readonly Child[]): Promise<void> {
    const { sinceNs } = this.#order;
    const wanted = children.filter(
      ({ type, stats }) =>
        type === 'directory' || (type !== 'socket' && changedSince(stats, sinceNs)),
    );
    for (let at = 0; at < wanted.length; at += XATTR_BATCH) {
      const batch = wanted.slice(at, at + XATTR_BATCH);
      const all = await this.#helper.readXattrs(batch.map(({ location }) => location));
      for (const [i, xattrs] of all.entries()) (batch[i] as Child).xattrs = xattrs;
    }
  }

  #readChildren(directory: Directory, path: Buffer): Child[] {
    let names: Buffer[];
    try {
      names = readdirSync(pathIn(directory, DOT), { encoding: 'buffer' });
    } catch (error) {
      this.#fail(path, `cannot be listed: ${errorCode(error)}`);
      return [];
    }
    const children: Child[] = [];
    for (const name of names.sort(Buffer.compare)) {
      const location = pathIn(directory, name);
      const stats = this.#statChild(location, path, name);
      const type = stats === undefined ? undefined : typeOf(stats);
      if (stats !== undefined && type !== undefined) {
        children.push({ name, location, type, stats, xattrs: NO_XATTRS });
      }
    }
    return children;
  }

  #statChild(location: Buffer, path: Buffer, name: Buffer): BigIntStats | undefined {
    try {
      return lstatSync(location, { bigint: true });
    } catch (error) {
      const shown = path.length === 0 ? name : Buffer.concat([path, SLASH, name]);
      if (errorCode(error) === 'ENOENT') this.#warn(shown, 'vanished during the backup');
      else this.#fail(shown, `cannot be examined: ${errorCode(error)}`);
      return undefined;
    }
  }

  async #backUpChild(
    directory: Directory,
    child: Child,
    path: Buffer,
    parent: bigint,
  ): Promise<void> {
    if (child.type === 'directory') return this.#backUpSubdirectory(directory, child, path, parent);
    if (child.type === 'socket') {
      this.#report.normal(`${this.#show(path)} is a socket and was left out`);
      return;
    }
    if (!changedSince(child.stats, this.#order.sinceNs)) return;
    const linked = this.#linked.get(linkKey(child.stats));
    if (linked !== undefined) return this.#sendHardLink(child, path, linked);
    if (child.type === 'file') return this.#backUpFile(child, path);
    const member = { ...memberOf(child.type, path, child.stats), xattrs: child.xattrs };
    if (child.type !== 'symlink') {
      await this.#sendMember(member, child.type, child.stats);
      return;
    }
    const linkTarget = this.#readLink(child, path);
    if (linkTarget === undefined) return;
    await this.#sendMember({ ...member, linkTarget }, child.type, child.stats);
  }

  async #backUpSubdirectory(
    directory: Directory,
    child: Child,
    path: Buffer,
    parent: bigint,
  ): Promise<void> {
    let opened: Directory;
    try {
      opened = openBelow(directory, child.name);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') this.#warn(path, 'vanished during the backup');
      else this.#fail(path, `cannot be opened: ${errorCode(error)}`);
      return;
    }
    try {
      const stats = fstatSync(opened.fd, { bigint: true });
      const { xattrs } = child;
      const isHere = stats.dev === this.#device;
      if (isHere) await this.#backUpDirectory(opened, path, { stats, xattrs }, parent);
      else {
        this.#report.normal(`${this.#show(path)} is another file system and was left out`);
        await this.#sendMember(memberOf('directory', path, stats), 'directory', stats);
      }
    } finally {
      closeDirectory(opened);
    }
  }

  #readLink(child: Child, path: Buffer): Buffer | undefined {
    try {
      return readlinkSync(child.location, { encoding: 'buffer' });
    } catch (error) {
      this.#warn(path, `vanished during the backup: ${errorCode(error)}`);
      return undefined;
    }
  }

  async #backUpFile(child: Child, path: Buffer): Promise<void> {
    let fd: number;
    try {
      fd = openSync(child.location, OPEN_FILE);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') this.#warn(path, 'vanished during the backup');
      else this.#fail(path, `cannot be opened: ${errorCode(error)}`);
      return;
    }
    try {
      const stats = fstatSync(fd, { bigint: true });
      if (!stats.isFile()) this.#warn(path, 'was replaced during the backup');
      else await this.#sendFile(fd, path, stats, child.xattrs);
    } finally {
      closeSync(fd);
    }
  }

  async #sendFile(
    fd: number,
    path: Buffer,
    stats: BigIntStats,
    xattrs: readonly Xattr[],
  ): Promise<void> {
    const whole = { ...memberOf('file', path, stats), xattrs };
    const extents = sparseExtents(fd, stats);
    const member = extents === undefined ? whole : { ...whole, extents };
    const offset = await this.#sendMember(member, 'file', stats);
    if (stats.nlink > 1n && this.#linked.size < LINKED_FILES_MAX) {
      this.#linked.set(linkKey(stats), { path, offset, namesLeft: Number(stats.nlink) - 1 });
    }
    const outcome = await sendFileData(fd, member, this.#sink);
    if (outcome.error !== undefined) {
      this.#fail(path, `could not be read to its end: ${outcome.error}; the rest is zeros`);
    } else if (outcome.missingBytes > 0) {
      this.#warn(path, `shrank by ${outcome.missingBytes} bytes; the rest is zeros`);
    } else if (stats.size > SMALL_FILE_BYTES) {
      const after = fstatSync(fd, { bigint: true });
      if (after.mtimeNs !== stats.mtimeNs || after.size !== stats.size) {
        this.#warn(path, 'changed while it was read');
      }
    }
  }

  async #sendHardLink(child: Child, path: Buffer, linked: LinkedFile): Promise<void> {
    linked.namesLeft -= 1;
    if (linked.namesLeft === 0) this.#linked.delete(linkKey(child.stats));
    const member: Member = {
      ...memberOf('hardlink', path, child.stats),
      linkTarget: linked.path,
      linkOffset: linked.offset,
    };
    await this.#sendMember(member, child.type, child.stats);
  }

  /** Sends the headers and posts the history; returns where the member starts. */
  async #sendMember(member: Member, type: EntryType, stats: BigIntStats): Promise<number> {
    const offset = this.#sink.position;
    await this.#sink.put(encodeMember(member));
    this.#members += 1;
    this.#memberHistory(member, type, stats, offset);
    const wait = this.#report.room();
    if (wait !== undefined) await wait;
    return offset;
  }

  #memberHistory(member: Member, type: EntryType, stats: BigIntStats, offset: number): void {
    const { history } = this.#order;
    if (history === 'none') return;
    const entry = { stat: historyStat(type, stats), node: stats.ino, fhInfo: BigInt(offset) };
    if (history === 'file') {
      this.#report.historyFile({ ...entry, name: Buffer.concat([SLASH, member.path]) });
    } else if (member.type !== 'hardlink') this.#report.historyNode(entry);
  }

  /** "." and ".." of the root went out first; every directory lists itself, its parent, its children. */
  #dirHistory(children: readonly Child[], node: bigint, parent: bigint | undefined): void {
    if (parent !== undefined) {
      this.#dirEntry(DOT, node, node);
      this.#dirEntry(DOT_DOT, parent, node);
    }
    for (const child of children) this.#dirEntry(child.name, child.stats.ino, node);
  }

  #dirEntry(name: Buffer, node: bigint, parent: bigint): void {
    this.#report.historyDir({ name, node, parent });
  }

  #show(path: Buffer): string {
    const tail = path.length === 0 ? '' : `/${textFromBytes(path)}`;
    return `${this.#order.shownRoot}${tail}`;
  }

  #warn(path: Buffer, what: string): void {
    this.#report.warning(`${this.#show(path)} ${what}`);
  }

  #fail(path: Buffer, what: string): void {
    this.#failed += 1;
    this.#report.error(`${this.#show(path)} ${what}`);
  }
}

function linkKey(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}
