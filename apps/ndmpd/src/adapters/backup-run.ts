// One backup: walks a directory tree and writes it as a pax stream, with file history on the side. What
// changes, vanishes or cannot be read is reported and never breaks the stream. Each directory is sent
// before its files, and these before its subdirectories. Memory grows with the depth, with the longest
// directory and with eight bytes for each directory, not with the files.

import type { BigIntStats } from 'node:fs';
import { textFromBytes } from '@tapestry/ndmp';
import type { BackupOrder } from '../core/data-protocol.ts';
import { DirectoryRecord, DirectorySet } from '../core/directory-set.ts';
import { type DumpList, dumpListOf } from '../core/dump-directory.ts';
import { changedSince, memberOf } from '../core/entry.ts';
import { directoriesOf, NO_NAMES } from '../core/name-list.ts';
import { PathPatterns, type Verdict } from '../core/path-patterns.ts';
import { END_OF_ARCHIVE, type Member } from '../core/tar-encode.ts';
import { attributesByName, type Xattr } from './attribute-helper.ts';
import { BackupHistory } from './backup-history.ts';
import { type Child, ChildLoader } from './child-loader.ts';
import { type Directory, errorCode } from './directory.ts';
import { sendFileData, sparseExtents } from './file-data.ts';
import { fingerprint } from './fingerprint.ts';
import { LinkedFiles } from './linked-files.ts';
import { MemberSender } from './member-sender.ts';
import type { Reporter } from './reporter.ts';
import type { SourceTree } from './source-tree.ts';
import type { StreamSink } from './stream-sink.ts';
import { joinPath, type WalkedDirectory } from './walked-directory.ts';

const BATCH = 256;
/** Of longer directories, names of files are forgotten before subdirectories are visited. */
const NAMES_KEPT_MAX = 1000;
/** Directories whose contents the helper looks at before they are visited. */
const AHEAD = 32;
const NO_XATTRS: readonly Xattr[] = [];
const NO_PATH: Buffer = Buffer.alloc(0);

export interface BackupTotals {
  readonly members: number;
  /** Objects that are missing from the stream or not whole in it. */
  readonly failed: number;
  /** See core/directory-set.ts. */
  readonly directories: Uint8Array;
}

export class BackupRun {
  readonly #order: BackupOrder;
  readonly #sink: StreamSink;
  readonly #report: Reporter;
  readonly #history: BackupHistory;
  readonly #tree: SourceTree;
  readonly #patterns: PathPatterns;
  readonly #known: DirectorySet | undefined;
  readonly #seen = new DirectoryRecord();
  readonly #linked: LinkedFiles;
  readonly #loader: ChildLoader;
  readonly #sender: MemberSender;
  /** The directory that is being worked in, for the loader's troubles. */
  #here: WalkedDirectory | undefined;
  #failed = 0;

  constructor(order: BackupOrder, tree: SourceTree, sink: StreamSink, report: Reporter) {
    this.#order = order;
    this.#tree = tree;
    this.#sink = sink;
    this.#report = report;
    this.#patterns = new PathPatterns(order.exclude, order.include);
    const directories = order.base?.directories;
    this.#known = directories === undefined ? undefined : new DirectorySet(directories);
    this.#linked = new LinkedFiles((why) =>
      this.#report.warning(`files with several names: ${why}: further ones become copies`),
    );
    this.#loader = new ChildLoader(tree, (_directory, { name, what, isChange }) => {
      const path = joinPath(this.#here?.path ?? NO_PATH, name);
      if (isChange) this.#warn(path, what);
      else this.#fail(path, what);
    });
    this.#history = new BackupHistory(order.history, report, (directory, name) =>
      this.#loader.examine(directory.directory, name),
    );
    this.#sender = new MemberSender(sink, this.#history, report);
  }

  /** Sends the whole stream and its end mark. Rejects with RootError, or with the socket's error. */
  async run(): Promise<BackupTotals> {
    const { attributes } = this.#tree;
    try {
      const directory = this.#tree.openTop();
      try {
        await this.#visitTop(directory);
      } finally {
        this.#tree.closeDirectory(directory);
      }
    } finally {
      attributes.close();
      this.#linked.close();
    }
    await this.#sink.put(END_OF_ARCHIVE);
    this.#report.flushHistory();
    return {
      members: this.#sender.members,
      failed: this.#failed,
      directories: this.#seen.toBytes(),
    };
  }

  async #visitTop(directory: Directory): Promise<void> {
    const { attributes } = this.#tree;
    if (!(await attributes.ready())) {
      this.#report.warning('no Perl here: extended attributes and ACLs are left out');
    }
    const stats = this.#tree.statsOf(directory);
    const found = await attributes.readXattrs(directory, ['.']);
    const [below] = await this.#readAhead(directory, ['.']);
    const print = fingerprint(0n, '/', stats.ino);
    await this.#visit({
      ...{ directory, path: NO_PATH, stats, xattrs: found.get(0) ?? NO_XATTRS },
      ...{ parent: undefined, print, isKnown: this.#isKnown(print) },
      ...{ verdict: this.#patterns.rootVerdict, names: NO_NAMES, isSent: false, hasFailed: false },
      xattrsBelow: below && attributesByName(below),
    });
  }

  /** At the same place as when the base was taken: what is in it needs saving only if it changed. */
  #isKnown(print: bigint): boolean {
    return this.#known?.has(print) ?? false;
  }

  #isFull(): boolean {
    return this.#order.base === undefined;
  }

  /** Whether an object of this directory goes into the stream for its own sake. */
  #wants(stats: BigIntStats, { isKnown }: WalkedDirectory): boolean {
    return !isKnown || changedSince(stats, this.#order.base?.sinceNs);
  }

  async #visit(walked: WalkedDirectory): Promise<void> {
    this.#here = walked;
    this.#list(walked);
    const isRoot = walked.parent === undefined;
    const isWanted = walked.verdict === 'in' && this.#wants(walked.stats, walked);
    // A list by inode comes before the directory's member: loading first spares a look at each file.
    const first = this.#isFull() ? this.#loadBatch(walked, 0) : undefined;
    if (isRoot || isWanted) await this.#sendPending(walked, first?.children);
    let { children, next } = first ?? this.#loadBatch(walked, 0);
    for (;;) {
      if (children.length > 0) await this.#sendChildren(walked, children);
      if (next >= walked.names.length) break;
      ({ children, next } = this.#loadBatch(walked, next));
    }
    // Once it is sent, nobody lists the others any more.
    if (walked.isSent && walked.names.length > NAMES_KEPT_MAX) {
      walked.names = directoriesOf(walked.names);
    }
    await this.#visitBelow(walked);
    if (!walked.hasFailed) this.#seen.add(walked.print);
    this.#report.flushOldHistory();
    await this.#report.room();
  }

  #list(walked: WalkedDirectory): void {
    try {
      walked.names = this.#tree.list(walked.directory);
    } catch (error) {
      this.#fail(walked.path, `cannot be listed: ${errorCode(error)}`);
    }
  }

  /** The files of a batch that go into the stream. */
  #loadBatch(walked: WalkedDirectory, from: number): { children: Child[]; next: number } {
    const rules = {
      wants: (stats: BigIntStats): boolean => this.#wants(stats, walked) && !this.#isLink(stats),
      examinesFirst: walked.isKnown,
    };
    const { names } = walked;
    const children: Child[] = [];
    let at = from;
    this.#loader.startBatch();
    for (; at < names.length && at - from < BATCH && this.#loader.hasRoom; at += 1) {
      const type = names.type(at);
      if (type === 'directory') continue;
      const name = names.name(at);
      if (this.#verdictOf(walked, name, false) === 'out') continue;
      const child = this.#loader.load(walked.directory, name, type, rules);
      if (child?.type === 'directory') names.markDirectory(at);
      else if (child !== undefined && this.#passes(walked, child)) children.push(child);
    }
    return { children, next: at };
  }

  #verdictOf({ path, verdict }: WalkedDirectory, name: string, isDirectory: boolean): Verdict {
    if (this.#patterns.isEmpty) return 'in';
    const whole = path.length === 0 ? name : `${path.toString('latin1')}/${name}`;
    return this.#patterns.verdict(whole, isDirectory, verdict);
  }

  /** One of several names whose data is in the stream, or in what the base left behind. */
  #isLink(stats: BigIntStats): boolean {
    return stats.nlink > 1n && this.#linked.has(stats);
  }

  /** False for what stays out of the stream; unchanged names may turn out to be needed for links. */
  #passes(walked: WalkedDirectory, { name, type, stats }: Child): boolean {
    const isWanted = this.#wants(stats, walked);
    if (type === 'socket') {
      const shown = this.#show(joinPath(walked.path, name));
      if (isWanted) this.#report.normal(`${shown} is a socket and was left out`);
      return false;
    }
    if (isWanted) return true;
    if (stats.nlink === 1n) return false;
    if (this.#linked.isSent(stats)) return true;
    this.#linked.addUnsent(stats, joinPath(walked.path, name));
    return false;
  }

  async #sendChildren(walked: WalkedDirectory, children: readonly Child[]): Promise<void> {
    const xattrs = await this.#xattrsOf(
      walked,
      children.map(({ name }) => name),
    );
    if (!walked.isSent) await this.#sendPending(walked);
    for (const [i, child] of children.entries()) {
      const sent = this.#sendChild(walked, child, xattrs(i) ?? NO_XATTRS);
      if (sent !== undefined) await sent;
    }
  }

  /** By position in `names`. */
  async #xattrsOf(
    { directory, xattrsBelow }: WalkedDirectory,
    names: readonly string[],
  ): Promise<(position: number) => readonly Xattr[] | undefined> {
    if (xattrsBelow !== undefined) return (position) => xattrsBelow.get(names[position] ?? '');
    const found = await this.#tree.attributes.readXattrs(directory, names);
    return (position) => found.get(position);
  }

  /**
   * The attributes of everything in directories that come next, so that nobody waits for the helper in
   * each of them. An incremental needs those of few objects, and asks for these alone.
   */
  async #readAhead(
    parent: Directory,
    names: readonly string[],
  ): Promise<readonly (Buffer | undefined)[]> {
    return this.#isFull() ? this.#tree.attributes.readXattrsBelow(parent, names) : [];
  }

  /** Directories on the way to something that is sent; outermost first. */
  async #sendPending(walked: WalkedDirectory, loaded?: readonly Child[]): Promise<void> {
    const { parent } = walked;
    if (parent !== undefined && !parent.isSent) await this.#sendPending(parent);
    this.#here = walked;
    await this.#sendDirectory(walked, loaded);
  }

  /** An incremental lists what a changed directory holds, so that a recovery sees what is gone. */
  async #sendDirectory(walked: WalkedDirectory, loaded: readonly Child[] = []): Promise<void> {
    walked.isSent = true;
    await this.#history.directory(
      walked,
      loaded,
      (name, isDirectory) => this.#verdictOf(walked, name, isDirectory) !== 'out',
    );
    const { path, stats, xattrs } = walked;
    const member = { ...memberOf('directory', path, stats), xattrs };
    const lists = !this.#isFull() && !walked.hasFailed && this.#wants(stats, walked);
    const list = lists ? this.#dumpList(walked) : undefined;
    const sent = { member, type: 'directory' as const, stats };
    await this.#sender.send(list === undefined ? sent : { ...sent, list });
  }

  #dumpList({ names, path }: WalkedDirectory): DumpList | undefined {
    const list = dumpListOf(names);
    if (list === undefined) this.#warn(path, 'is too long to record what is gone from it');
    return list;
  }

  async #visitBelow(parent: WalkedDirectory): Promise<void> {
    const subdirectories = this.#subdirectoriesOf(parent);
    let chunk = take(subdirectories, AHEAD);
    let ahead = this.#readAhead(parent.directory, chunk);
    while (chunk.length > 0) {
      const names = chunk;
      const xattrs = await this.#xattrsOf(parent, names);
      const below = await ahead;
      chunk = take(subdirectories, AHEAD);
      ahead = this.#readAhead(parent.directory, chunk);
      for (const [i, name] of names.entries()) {
        this.#here = parent;
        await this.#visitSubdirectory(parent, name, {
          xattrs: xattrs(i) ?? NO_XATTRS,
          xattrsBelow: below[i] && attributesByName(below[i]),
        });
      }
    }
    await ahead;
    this.#here = parent;
  }

  *#subdirectoriesOf(parent: WalkedDirectory): Generator<string> {
    const { names } = parent;
    for (let i = 0; i < names.length; i += 1) {
      if (names.type(i) !== 'directory') continue;
      const name = names.name(i);
      if (this.#verdictOf(parent, name, true) !== 'out') yield name;
    }
  }

  async #visitSubdirectory(
    parent: WalkedDirectory,
    name: string,
    found: Pick<WalkedDirectory, 'xattrs' | 'xattrsBelow'>,
  ): Promise<void> {
    const path = joinPath(parent.path, name);
    let directory: Directory;
    try {
      directory = this.#tree.openBelow(parent.directory, name);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') this.#warn(path, 'vanished during the backup');
      else this.#fail(path, `cannot be opened: ${errorCode(error)}`);
      return;
    }
    try {
      const stats = this.#tree.statsOf(directory);
      const print = fingerprint(parent.print, name, stats.ino);
      const walked: WalkedDirectory = {
        ...{ directory, path, stats, ...found, parent, print, isKnown: this.#isKnown(print) },
        ...{ verdict: this.#verdictOf(parent, name, true), names: NO_NAMES },
        ...{ isSent: false, hasFailed: false },
      };
      if (this.#tree.isWithin(directory, stats)) await this.#visit(walked);
      else await this.#passMountPoint(walked);
    } finally {
      this.#tree.closeDirectory(directory);
    }
  }

  /** Only the directory that something is mounted on, with nothing of what is mounted. */
  async #passMountPoint(walked: WalkedDirectory): Promise<void> {
    this.#report.normal(`${this.#show(walked.path)} is another file system and was left out`);
    if (walked.isKnown || walked.verdict !== 'in') return;
    if (walked.parent !== undefined && !walked.parent.isSent)
      await this.#sendPending(walked.parent);
    const { path, stats } = walked;
    const member = memberOf('directory', path, stats);
    await this.#sender.send({ member, type: 'directory', stats });
    this.#seen.add(walked.print);
  }

  /** A promise only where the stream or the DMA has to be waited for. */
  #sendChild(
    walked: WalkedDirectory,
    child: Child,
    xattrs: readonly Xattr[],
  ): Promise<unknown> | undefined {
    const path = joinPath(walked.path, child.name);
    const { type, stats } = child;
    this.#history.child(walked, child);
    const link = this.#linkTo(path, stats);
    if (link !== undefined) return this.#sender.send({ member: link, type, stats });
    if (type === 'directory' || type === 'socket') return undefined;
    if (type === 'file' && child.content === undefined) {
      return this.#sendLargeFile(walked, child.name, path, xattrs);
    }
    if (stats.nlink > 1n) this.#linked.add(stats, path, this.#sink.position);
    if (child.content !== undefined) {
      const size = child.content.length;
      const member = { ...memberOf('file', path, stats), size, xattrs };
      return this.#sender.send({ member, type, stats, content: child.content });
    }
    const member = { ...memberOf(type, path, stats), xattrs };
    if (type !== 'symlink') return this.#sender.send({ member, type, stats });
    const linkTarget = this.#readLink(walked, child.name, path);
    if (linkTarget === undefined) return undefined;
    return this.#sender.send({ member: { ...member, linkTarget }, type, stats });
  }

  #linkTo(path: Buffer, stats: BigIntStats): Member | undefined {
    const linked = stats.nlink > 1n ? this.#linked.take(stats) : undefined;
    if (linked === undefined) return undefined;
    const link: Member = { ...memberOf('hardlink', path, stats), linkTarget: linked.path };
    return linked.offset === undefined ? link : { ...link, linkOffset: linked.offset };
  }

  #readLink({ directory }: WalkedDirectory, name: string, path: Buffer): Buffer | undefined {
    try {
      return this.#tree.readLink(directory, name);
    } catch (error) {
      this.#warn(path, `vanished during the backup: ${errorCode(error)}`);
      return undefined;
    }
  }

  async #sendLargeFile(
    { directory }: WalkedDirectory,
    name: string,
    path: Buffer,
    xattrs: readonly Xattr[],
  ): Promise<void> {
    const opened = this.#loader.openFile(directory, name);
    if (opened === undefined) return;
    const { fd, stats } = opened;
    try {
      const plain = { ...memberOf('file', path, stats), xattrs };
      const extents = await sparseExtents(this.#tree, opened);
      const member = extents === undefined ? plain : { ...plain, extents };
      if (stats.nlink > 1n) this.#linked.add(stats, path, this.#sink.position);
      await this.#sender.send({ member, type: 'file', stats });
      await this.#sendData(fd, path, member, stats);
    } finally {
      this.#tree.closeFile(fd);
    }
  }

  async #sendData(fd: number, path: Buffer, member: Member, stats: BigIntStats): Promise<void> {
    const outcome = await sendFileData({ tree: this.#tree, fd }, member, this.#sink);
    if (outcome.error !== undefined) {
      this.#fail(path, `could not be read to its end: ${outcome.error}; the rest is zeros`);
    } else if (outcome.missingBytes > 0) {
      this.#warn(path, `shrank by ${outcome.missingBytes} bytes; the rest is zeros`);
    } else {
      const after = this.#tree.statsOfFile(fd);
      if (after.mtimeNs !== stats.mtimeNs || after.size !== stats.size) {
        this.#warn(path, 'changed while it was read');
      }
    }
  }

  #show(path: Buffer): string {
    const tail = path.length === 0 ? '' : `/${textFromBytes(path)}`;
    return `${this.#order.shownRoot}${tail}`;
  }

  #warn(path: Buffer, what: string): void {
    this.#report.warning(`${this.#show(path)} ${what}`);
  }

  /** What failed must be tried again: its directory counts as new to the next incremental. */
  #fail(path: Buffer, what: string): void {
    this.#failed += 1;
    if (this.#here !== undefined) this.#here.hasFailed = true;
    this.#report.error(`${this.#show(path)} ${what}`);
  }
}

function take(names: Iterator<string>, countMax: number): string[] {
  const taken: string[] = [];
  while (taken.length < countMax) {
    const next = names.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
