// One backup: walks a directory tree and writes it as a pax stream, with file history on the side. What
// changes, vanishes or cannot be read is reported and never breaks the stream. Each directory is sent
// before its files, and these before its subdirectories. Memory grows with the depth, with the longest
// directory and with eight bytes for each directory, not with the files.

import type { BackupOrder } from '../core/data-protocol.ts';
import { DirectoryRecord } from '../core/directory-set.ts';
import { type DumpList, dumpListOf } from '../core/dump-directory.ts';
import { memberOf } from '../core/entry.ts';
import { NO_NAMES } from '../core/name-list.ts';
import { END_OF_ARCHIVE } from '../core/tar-encode.ts';
import { parseXattrs, type Xattr } from './attribute-helper.ts';
import { BackupHistory } from './backup-history.ts';
import { BackupTroubles } from './backup-troubles.ts';
import {
  BATCH_BYTES,
  type Child,
  ChildLoader,
  type LoadTrouble,
  SMALL_FILE_BYTES,
} from './child-loader.ts';
import { FileSender } from './file-sender.ts';
import { LinkedFiles } from './linked-files.ts';
import { LoadAhead } from './load-ahead.ts';
import { MemberSender } from './member-sender.ts';
import type { Reporter } from './reporter.ts';
import type { SourceTree } from './source-tree.ts';
import type { StreamSink } from './stream-sink.ts';
import { type Batch, type Step, TreeWalk } from './tree-walk.ts';
import { joinPath, type WalkedDirectory } from './walked-directory.ts';

/** Of longer directories, names are forgotten once nobody needs them. */
const NAMES_KEPT_MAX = 1000;
/** Planned ahead; each directory has three or more, and is open. */
const STEPS_MAX = 256;
const NO_XATTRS: readonly Xattr[] = [];
const NO_INODES: ReadonlyMap<string, bigint> = new Map();

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
  readonly #troubles: BackupTroubles;
  readonly #history: BackupHistory;
  readonly #tree: SourceTree;
  readonly #seen = new DirectoryRecord();
  readonly #linked: LinkedFiles;
  readonly #loader: ChildLoader;
  readonly #sender: MemberSender;
  readonly #files: FileSender;

  constructor(order: BackupOrder, tree: SourceTree, sink: StreamSink, report: Reporter) {
    this.#order = order;
    this.#tree = tree;
    this.#sink = sink;
    this.#report = report;
    const troubles = new BackupTroubles(report, order.shownRoot);
    const linked = new LinkedFiles((why) =>
      report.warning(`files with several names: ${why}: further ones become copies`),
    );
    const onTrouble = (walked: WalkedDirectory, { name, what, isChange }: LoadTrouble): void => {
      const path = joinPath(walked.path, name);
      if (isChange) troubles.warn(path, what);
      else troubles.fail(walked, path, what);
    };
    // Batches may wait in the one while the other loads what was not read ahead.
    const loader = new ChildLoader(tree, BATCH_BYTES, onTrouble);
    const single = new ChildLoader(tree, SMALL_FILE_BYTES, onTrouble);
    const history = new BackupHistory(order.history, report, (walked, name) =>
      loader.examine(walked, name),
    );
    const sender = new MemberSender(sink, history, report);
    this.#files = new FileSender({
      ...{ tree, sink, troubles, history, linked, sender },
      loader: single,
    });
    [this.#troubles, this.#linked, this.#loader] = [troubles, linked, loader];
    [this.#history, this.#sender] = [history, sender];
  }

  /** Sends the whole stream and its end mark. Rejects with RootError, or with the socket's error. */
  async run(): Promise<BackupTotals> {
    const { attributes, ahead } = this.#tree;
    try {
      if (!(await attributes.ready())) {
        this.#report.warning('no Perl here: extended attributes and ACLs are left out');
      }
      await this.#sendTree(ahead && (await LoadAhead.start(ahead)));
    } finally {
      attributes.close();
      this.#linked.close();
    }
    await this.#sink.put(END_OF_ARCHIVE);
    this.#report.flushHistory();
    return {
      members: this.#sender.members,
      failed: this.#troubles.failed,
      directories: this.#seen.toBytes(),
    };
  }

  async #sendTree(ahead: LoadAhead | undefined): Promise<void> {
    const [order, tree, loader] = [this.#order, this.#tree, this.#loader];
    const [linked, troubles] = [this.#linked, this.#troubles];
    const walk = new TreeWalk({ order, tree, loader, linked, troubles, ahead });
    const planned: Step[] = [];
    try {
      for (;;) {
        plan(walk, ahead, planned);
        const step = planned.shift();
        if (step === undefined) break;
        await this.#take(step, walk, ahead);
      }
    } finally {
      walk.closeAll();
      ahead?.close();
    }
  }

  async #take(step: Step, walk: TreeWalk, ahead: LoadAhead | undefined): Promise<void> {
    const { type, walked } = step;
    switch (type) {
      case 'directory':
        await this.#visit(step, walk, ahead);
        break;
      case 'batch':
        await this.#sendBatch(step, walk, ahead);
        break;
      case 'below':
        // Once it is sent, nobody lists it any more.
        if (walked.isSent && walked.names.length > NAMES_KEPT_MAX) walked.names = NO_NAMES;
        break;
      case 'trouble':
        step.tell();
        break;
      case 'mount':
        await this.#passMountPoint(walked, walk);
        walk.close(walked);
        break;
      case 'leave':
        if (!walked.hasFailed) this.#seen.add(walked.print);
        this.#report.flushOldHistory();
        await this.#report.room();
        walk.close(walked);
    }
  }

  async #visit(
    { walked, batch }: Extract<Step, { type: 'directory' }>,
    walk: TreeWalk,
    ahead: LoadAhead | undefined,
  ): Promise<void> {
    if (walked.isAhead && ahead !== undefined) {
      await ahead.ready();
      const { xattrs } = ahead.take();
      // A copy: the directory may be sent much later.
      walked.xattrs = xattrs && parseXattrs(Buffer.from(xattrs));
    }
    const isRoot = walked.parent === undefined;
    const isWanted = walked.verdict === 'in' && walk.wants(walked.stats, walked);
    if (isRoot || isWanted) await this.#sendPending(walked, walk, this.#inodesOf(batch, ahead));
    if (batch !== undefined) await this.#sendBatch({ walked, batch }, walk, ahead);
  }

  /** A list by inode needs them. */
  #inodesOf(batch: Batch | undefined, ahead: LoadAhead | undefined): ReadonlyMap<string, bigint> {
    if (batch === undefined || this.#order.history !== 'dir') return NO_INODES;
    const { entries, isAhead } = batch;
    const found = isAhead ? ahead?.inodes(entries.length) : undefined;
    const inodes = new Map<string, bigint>();
    for (const [i, entry] of entries.entries()) {
      if (typeof entry !== 'string') inodes.set(entry.name, entry.stats.ino);
      else if (found?.[i] !== undefined) inodes.set(entry, found[i]);
    }
    return inodes;
  }

  async #sendBatch(
    { walked, batch }: { walked: WalkedDirectory; batch: Batch },
    walk: TreeWalk,
    ahead: LoadAhead | undefined,
  ): Promise<void> {
    const { entries, isAhead } = batch;
    if (entries.length === 0) return;
    if (!isAhead || ahead === undefined) {
      await this.#sendLoaded(walked, entries as readonly Child[], walk);
      return;
    }
    await ahead.ready();
    if (!walked.isSent) await this.#sendPending(walked, walk);
    for (const entry of entries) {
      const sent = this.#files.sendAhead(walked, entry, ahead.take());
      if (sent !== undefined) await sent;
    }
  }

  async #sendLoaded(
    walked: WalkedDirectory,
    children: readonly Child[],
    walk: TreeWalk,
  ): Promise<void> {
    const names = children.map(({ name }) => name);
    const xattrs = await this.#tree.attributes.readXattrs(walked.directory, names);
    if (!walked.isSent) await this.#sendPending(walked, walk);
    for (const [i, child] of children.entries()) {
      const sent = this.#files.send(walked, child, xattrs.get(i) ?? NO_XATTRS);
      if (sent !== undefined) await sent;
    }
  }

  /** Directories on the way to something that is sent; outermost first. */
  async #sendPending(
    walked: WalkedDirectory,
    walk: TreeWalk,
    inodes: ReadonlyMap<string, bigint> = NO_INODES,
  ): Promise<void> {
    const { parent } = walked;
    if (parent !== undefined && !parent.isSent) await this.#sendPending(parent, walk);
    await this.#sendDirectory(walked, walk, inodes);
  }

  /** An incremental lists what a changed directory holds, so that a recovery sees what is gone. */
  async #sendDirectory(
    walked: WalkedDirectory,
    walk: TreeWalk,
    inodes: ReadonlyMap<string, bigint>,
  ): Promise<void> {
    walked.isSent = true;
    const isShown = (name: string, isDirectory: boolean): boolean =>
      walk.verdictOf(walked, name, isDirectory) !== 'out';
    await this.#history.directory(walked, inodes, isShown);
    const { path, stats, directory } = walked;
    const xattrs =
      walked.xattrs ?? (await this.#tree.attributes.readXattrs(directory, ['.'])).get(0);
    const member = { ...memberOf('directory', path, stats), xattrs: xattrs ?? NO_XATTRS };
    const lists = this.#order.base !== undefined && !walked.hasFailed && walk.wants(stats, walked);
    const list = lists ? this.#dumpList(walked) : undefined;
    const sent = { member, type: 'directory' as const, stats };
    await this.#sender.send(list === undefined ? sent : { ...sent, list });
  }

  #dumpList({ names, path }: WalkedDirectory): DumpList | undefined {
    const list = dumpListOf(names);
    if (list === undefined) {
      this.#troubles.warn(path, 'is too long to record what is gone from it');
    }
    return list;
  }

  /** Only the directory that something is mounted on, with nothing of what is mounted. */
  async #passMountPoint(walked: WalkedDirectory, walk: TreeWalk): Promise<void> {
    this.#troubles.note(walked.path, 'is another file system and was left out');
    if (walked.isKnown || walked.verdict !== 'in') return;
    if (walked.parent !== undefined && !walked.parent.isSent)
      await this.#sendPending(walked.parent, walk);
    const { path, stats } = walked;
    const member = memberOf('directory', path, stats);
    await this.#sender.send({ member, type: 'directory', stats });
    this.#seen.add(walked.print);
  }
}

/** At least one more step, unless the end is reached; further ones as long as their files are read ahead. */
function plan(walk: TreeWalk, ahead: LoadAhead | undefined, planned: Step[]): void {
  while (mayPlan(ahead, planned)) {
    const step = walk.next();
    if (step === undefined) {
      ahead?.seal();
      return;
    }
    planned.push(step);
  }
}

function mayPlan(ahead: LoadAhead | undefined, planned: readonly Step[]): boolean {
  const last = planned.at(-1);
  if (last === undefined) return true;
  return last.walked.isAhead && planned.length < STEPS_MAX && (ahead?.hasRoom ?? false);
}
