// The way of a backup through its tree: each directory before its files, these before its subdirectories, in the order
// of their bytes. Whoever sends may lag behind: files are only named, and read ahead elsewhere, where that can be done;
// else they are loaded here, a batch at a time. Directories are open from their first step to their last.

import type { BackupOrder } from '../core/data-protocol.ts';
import { DirectorySet } from '../core/directory-set.ts';
import { changedSince, type ObjectStats } from '../core/entry.ts';
import { directoriesOf, type NameList, NO_NAMES } from '../core/name-list.ts';
import { PathPatterns, type Verdict } from '../core/path-patterns.ts';
import type { BackupTroubles } from './backup-troubles.ts';
import type { Child, ChildLoader } from './child-loader.ts';
import { type Directory, errorCode } from './directory.ts';
import { fingerprint } from './fingerprint.ts';
import type { LinkedFiles } from './linked-files.ts';
import type { LoadAhead } from './load-ahead.ts';
import type { SourceTree } from './source-tree.ts';
import { joinPath, type WalkedDirectory } from './walked-directory.ts';

const BATCH = 256;
/** Of longer directories, names of files are forgotten before subdirectories are visited. */
const NAMES_KEPT_MAX = 1000;
const NO_PATH: Buffer = Buffer.alloc(0);

/** Files and others of a directory that are to be sent together. */
export interface Batch {
  /** A name alone is a plain file's, which is read ahead. */
  readonly entries: readonly (Child | string)[];
  /** A record was asked for for each entry; else all are loaded, and nothing else may be until they are sent. */
  readonly isAhead: boolean;
}

export type Step =
  /** The directory itself; with its first files where these are known at once. */
  | { readonly type: 'directory'; readonly walked: WalkedDirectory; readonly batch?: Batch }
  | { readonly type: 'batch'; readonly walked: WalkedDirectory; readonly batch: Batch }
  /** Its files are through. */
  | { readonly type: 'below'; readonly walked: WalkedDirectory }
  /** Everything below it, too: it may be closed. */
  | { readonly type: 'leave'; readonly walked: WalkedDirectory }
  /** Something went wrong with a directory, to be told when its turn comes. */
  | { readonly type: 'trouble'; readonly walked: WalkedDirectory; tell(): void }
  /** A directory that something is mounted on, all by itself; may be closed. */
  | { readonly type: 'mount'; readonly walked: WalkedDirectory };

type Inner = Step | { readonly type: 'enter'; readonly walked: WalkedDirectory };

export interface WalkOptions {
  readonly order: BackupOrder;
  readonly tree: SourceTree;
  readonly loader: ChildLoader;
  readonly linked: LinkedFiles;
  readonly troubles: BackupTroubles;
  readonly ahead: LoadAhead | undefined;
}

export class TreeWalk {
  readonly #options: WalkOptions;
  readonly #patterns: PathPatterns;
  readonly #known: DirectorySet | undefined;
  readonly #open = new Set<Directory>();
  /** From the root to the directory at work. */
  readonly #stack: Generator<Inner, void>[] = [];

  constructor(options: WalkOptions) {
    const { order, tree } = options;
    this.#options = options;
    this.#patterns = new PathPatterns(order.exclude, order.include);
    const directories = order.base?.directories;
    this.#known = directories === undefined ? undefined : new DirectorySet(directories);
    const directory = tree.openTop();
    this.#open.add(directory);
    const stats = tree.statsOf(directory);
    const print = fingerprint(0n, '/', stats.ino);
    const place = { directory, path: NO_PATH, stats, parent: undefined };
    const verdict = this.#patterns.rootVerdict;
    this.#stack.push(this.#visit(this.#walked(place, print, verdict)));
  }

  /** Undefined at the end. */
  next(): Step | undefined {
    for (;;) {
      const top = this.#stack.at(-1);
      if (top === undefined) return undefined;
      const { done, value } = top.next();
      if (done) this.#stack.pop();
      else if (value.type === 'enter') this.#stack.push(this.#visit(value.walked));
      else return value;
    }
  }

  /** To be called for a directory after its last step. */
  close({ directory }: WalkedDirectory): void {
    this.#open.delete(directory);
    this.#options.tree.closeDirectory(directory);
  }

  /** To be called however it ends. */
  closeAll(): void {
    for (const directory of this.#open) this.#options.tree.closeDirectory(directory);
    this.#open.clear();
  }

  /** Whether an object of this directory goes into the stream for its own sake. */
  wants(stats: ObjectStats, { isKnown }: WalkedDirectory): boolean {
    return !isKnown || changedSince(stats, this.#options.order.base?.sinceNs);
  }

  verdictOf({ path, verdict }: WalkedDirectory, name: string, isDirectory: boolean): Verdict {
    if (this.#patterns.isEmpty) return 'in';
    const whole = path.length === 0 ? name : `${path.toString('latin1')}/${name}`;
    return this.#patterns.verdict(whole, isDirectory, verdict);
  }

  *#visit(walked: WalkedDirectory): Generator<Inner, void> {
    const unlisted = this.#list(walked);
    if (unlisted !== undefined) yield unlisted;
    let next = 0;
    const take = (): Batch => {
      const found = walked.isAhead ? this.#nameBatch(walked, next) : this.#loadBatch(walked, next);
      next = found.next;
      return found.batch;
    };
    // A list by inode comes before the directory's member: loading first spares a look at each file.
    const isFirst = walked.isAhead || this.#options.order.base === undefined;
    yield isFirst ? { type: 'directory', walked, batch: take() } : { type: 'directory', walked };
    while (next < walked.names.length) yield { type: 'batch', walked, batch: take() };
    const below = namesBelow(walked.names); // the whole list is not kept here
    yield { type: 'below', walked };
    for (let i = 0; i < below.length; i += 1) {
      if (below.type(i) !== 'directory') continue;
      const name = below.name(i);
      const verdict = this.verdictOf(walked, name, true);
      if (verdict !== 'out') yield this.#openBelow(walked, name, verdict);
    }
    yield { type: 'leave', walked };
  }

  #list(walked: WalkedDirectory): Step | undefined {
    const { tree, troubles } = this.#options;
    try {
      walked.names = tree.list(walked.directory);
      return undefined;
    } catch (error) {
      const what = `cannot be listed: ${errorCode(error)}`;
      return { type: 'trouble', walked, tell: () => troubles.fail(walked, walked.path, what) };
    }
  }

  /** The files of a batch, to be read ahead; the first one is behind the directory itself. */
  #nameBatch(walked: WalkedDirectory, from: number): { batch: Batch; next: number } {
    const { names } = walked;
    const asked: string[] = from === 0 ? ['x.'] : [];
    const entries: (Child | string)[] = [];
    let at = from;
    for (; at < names.length && at - from < BATCH; at += 1) {
      const type = names.type(at);
      if (type === 'directory') continue;
      const name = names.name(at);
      if (this.verdictOf(walked, name, false) === 'out') continue;
      const entry = type === 'file' ? name : this.#look(walked, at);
      if (entry === undefined) continue;
      entries.push(entry);
      asked.push(typeof entry === 'string' ? `f${entry}` : `x${entry.name}`);
    }
    this.#options.ahead?.ask(walked.directory, asked);
    return { batch: { entries, isAhead: true }, next: at };
  }

  /** The files of a batch that go into the stream. */
  #loadBatch(walked: WalkedDirectory, from: number): { batch: Batch; next: number } {
    const { loader } = this.#options;
    const { names } = walked;
    const entries: Child[] = [];
    let at = from;
    loader.startBatch();
    for (; at < names.length && at - from < BATCH && loader.hasRoom; at += 1) {
      if (names.type(at) === 'directory') continue;
      if (this.verdictOf(walked, names.name(at), false) === 'out') continue;
      const child = this.#load(walked, at);
      if (child !== undefined) entries.push(child);
    }
    return { batch: { entries, isAhead: false }, next: at };
  }

  /** Undefined for what is no child to be sent: nothing, a directory that was not listed as one, an unchanged file. */
  #load(walked: WalkedDirectory, at: number): Child | undefined {
    const { names } = walked;
    const { loader, linked } = this.#options;
    const child = loader.load(walked, names.name(at), names.type(at), {
      wants: (stats) => this.wants(stats, walked) && !(stats.nlink > 1n && linked.has(stats)),
      examinesFirst: walked.isKnown,
    });
    return this.#sift(walked, at, child);
  }

  /** The same of what was not listed as a file; a name alone if it is one. */
  #look(walked: WalkedDirectory, at: number): Child | string | undefined {
    const name = walked.names.name(at);
    const child = this.#options.loader.look(walked, name);
    return child?.type === 'file' ? name : this.#sift(walked, at, child);
  }

  #sift(walked: WalkedDirectory, at: number, child: Child | undefined): Child | undefined {
    if (child?.type === 'directory') walked.names.markDirectory(at);
    else if (child !== undefined && this.#passes(walked, child)) return child;
    return undefined;
  }

  /** False for what stays out of the stream; unchanged names may turn out to be needed for links. */
  #passes(walked: WalkedDirectory, { name, type, stats }: Child): boolean {
    const { linked, troubles } = this.#options;
    const isWanted = this.wants(stats, walked);
    if (type === 'socket') {
      const path = joinPath(walked.path, name);
      if (isWanted) troubles.note(path, 'is a socket and was left out');
      return false;
    }
    if (isWanted) return true;
    if (stats.nlink === 1n) return false;
    if (linked.isSent(stats)) return true;
    linked.addUnsent(stats, joinPath(walked.path, name));
    return false;
  }

  #openBelow(parent: WalkedDirectory, name: string, verdict: Verdict): Inner {
    const { tree, troubles } = this.#options;
    const path = joinPath(parent.path, name);
    let directory: Directory;
    try {
      directory = tree.openBelow(parent.directory, name);
    } catch (error) {
      const code = errorCode(error);
      const tell = (): void => {
        if (code === 'ENOENT') troubles.warn(path, 'vanished during the backup');
        else troubles.fail(parent, path, `cannot be opened: ${code}`);
      };
      return { type: 'trouble', walked: parent, tell };
    }
    this.#open.add(directory);
    const stats = tree.statsOf(directory);
    const print = fingerprint(parent.print, name, stats.ino);
    const walked = this.#walked({ directory, path, stats, parent }, print, verdict);
    return { type: tree.isWithin(directory, stats) ? 'enter' : 'mount', walked };
  }

  #walked(
    place: Pick<WalkedDirectory, 'directory' | 'path' | 'stats' | 'parent'>,
    print: bigint,
    verdict: Verdict,
  ): WalkedDirectory {
    // At the same place as when the base was taken: what is in it needs saving only if it changed.
    const isKnown = this.#known?.has(print) ?? false;
    const isAhead = this.#options.ahead !== undefined && !isKnown;
    const state = { names: NO_NAMES, xattrs: undefined, isSent: false, hasFailed: false };
    return { ...place, print, verdict, isKnown, isAhead, ...state };
  }
}

function namesBelow(names: NameList): NameList {
  return names.length > NAMES_KEPT_MAX ? directoriesOf(names) : names;
}
