// File history of a backup, in the form that the DMA asked for. By path: each member. By inode: the root
// first, each directory's whole list before the members in it, every name before the node it names.

import type { AheadRecord } from '../core/ahead-record.ts';
import { type EntryType, historyStat, type ObjectStats } from '../core/entry.ts';
import type { HistoryForm } from '../core/operation-env.ts';
import type { Member } from '../core/tar-encode.ts';
import type { Reporter } from './reporter.ts';
import type { WalkedDirectory } from './walked-directory.ts';

/** Of longer directories, names replaced while they are saved are not listed anew. */
const LISTED_MAX = 100_000;

interface MemberFacts {
  readonly type: EntryType;
  readonly stats: ObjectStats;
  /** Of its first header block. */
  readonly offset: number;
}

export class BackupHistory {
  readonly #form: HistoryForm;
  readonly #report: Reporter;
  readonly #examine: (directory: WalkedDirectory, name: string) => ObjectStats | undefined;
  /** Inodes as listed, for the directory at work: a name may be replaced before it is saved. */
  readonly #listed = new Map<string, bigint>();
  #listedIn: WalkedDirectory | undefined;
  #shown: Buffer = Buffer.alloc(4096, '/');

  constructor(
    form: HistoryForm,
    report: Reporter,
    examine: (directory: WalkedDirectory, name: string) => ObjectStats | undefined,
  ) {
    this.#form = form;
    this.#report = report;
    this.#examine = examine;
  }

  /** Lists a directory; comes right before its member. Inodes that are known by name need no look. */
  async directory(
    walked: WalkedDirectory,
    inodes: ReadonlyMap<string, bigint>,
    isShown: (name: string, isDirectory: boolean) => boolean,
  ): Promise<void> {
    if (this.#form !== 'dir') return;
    const node = walked.stats.ino;
    this.#report.historyDir('.', node, node);
    this.#report.historyDir('..', walked.parent?.stats.ino ?? node, node);
    this.#listed.clear();
    this.#listedIn = walked;
    const { names } = walked;
    for (let i = 0; i < names.length; i += 1) {
      const name = names.name(i);
      if (!isShown(name, names.type(i) === 'directory')) continue;
      const inode = inodes.get(name) ?? this.#examine(walked, name)?.ino;
      if (inode === undefined) continue;
      this.#report.historyDir(name, inode, node);
      if (!inodes.has(name) && this.#listed.size < LISTED_MAX) this.#listed.set(name, inode);
      const wait = this.#report.room();
      if (wait !== undefined) await wait;
    }
  }

  /** A child about to be sent: one that was replaced since its listing is listed anew. */
  child(walked: WalkedDirectory, name: string, inode: bigint): void {
    if (this.#form !== 'dir' || this.#listedIn !== walked) return;
    const before = this.#listed.get(name);
    if (before === undefined || before === inode) return;
    this.#report.historyDir(name, inode, walked.stats.ino);
  }

  /** A small file that was read ahead, once it is sent. */
  plain(walked: WalkedDirectory, name: string, record: AheadRecord, offset: number): void {
    if (this.#form === 'none') return;
    if (this.#form === 'file') this.#report.plainFile(walked.path, name, record, offset);
    else {
      if (this.#listed.size > 0) this.child(walked, name, record.inode);
      this.#report.plainNode(record, offset);
    }
  }

  member(member: Member, { type, stats, offset }: MemberFacts): void {
    if (this.#form === 'none') return;
    const entry = { stat: historyStat(type, stats), node: stats.ino, fhInfo: BigInt(offset) };
    if (this.#form === 'file') {
      this.#report.historyFile({ ...entry, name: this.#shownPath(member.path) });
    } else if (member.type !== 'hardlink') this.#report.historyNode(entry);
  }

  /** With a slash in front; overwritten by the next one. */
  #shownPath(path: Buffer): Buffer {
    const length = path.length + 1;
    if (length > this.#shown.length) this.#shown = Buffer.alloc(2 * length, '/');
    path.copy(this.#shown, 1);
    return this.#shown.subarray(0, length);
  }
}
