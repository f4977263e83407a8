// Where a recovery writes: a stack of open directories that follows the stream's depth-first order. All
// work is by descriptor and single name, so neither an image nor a link in the target can lead it out
// of its export.

import {
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  unlinkSync,
} from 'node:fs';
import { listedNames } from '../core/dump-directory.ts';
import { type Export, type ExportPath, showPath } from '../core/export-path.ts';
import { type Ownership, ownershipOf } from '../core/ownership.ts';
import type { Member } from '../core/tar-encode.ts';
import type { AttributeHelper, FailedCall } from './attribute-helper.ts';
import {
  closeDirectory,
  type Directory,
  errorCode,
  nameIn,
  openAt,
  openBelow,
  openRoot,
} from './directory.ts';
import { MountPolicy } from './mounts.ts';
import { mayChangeOwner } from './privileges.ts';
import { removeContents, removeTree } from './tree-removal.ts';

const HERE = Buffer.from('.');
const MODE_WHILE_FILLED = 0o700;
const MODE_OF_PARENTS = 0o755;
/** Wait for the attribute helper after so many calls or directories that it still needs open. */
const CALLS_PENDING_MAX = 512;
const CLOSING_MAX = 128;

/** An existing object of another type is in the way. */
export class InTheWayError extends Error {
  override readonly name = 'InTheWayError';
  readonly code = 'EEXIST';
}

interface Level {
  readonly name: Buffer;
  readonly directory: Directory;
  /** Set when the image has this directory: applied once its contents are there. */
  attributes: Member | undefined;
}

/** A name in an open directory. */
export interface Place {
  readonly directory: Directory;
  readonly name: Buffer;
  /** For people. */
  readonly label: string;
}

export interface TargetOptions {
  /** Remove what incremental directories no longer list, and what is in the way of a member. */
  readonly removeGone: boolean;
  onTrouble(failed: FailedCall): void;
}

export class TargetTree {
  readonly #helper: AttributeHelper;
  readonly #options: TargetOptions;
  readonly #closing: Directory[] = [];
  readonly #mayChangeOwner = mayChangeOwner();
  #export: Export | undefined;
  #mounts: MountPolicy | undefined;
  #levels: Level[] = [];

  constructor(helper: AttributeHelper, options: TargetOptions) {
    this.#helper = helper;
    this.#options = options;
  }

  /** The place of an object, its parents made where they are missing. Not for an export's root. */
  async place(target: ExportPath): Promise<Place> {
    const name = target.components.at(-1);
    if (name === undefined) throw new InTheWayError('an export cannot be replaced');
    const parents = target.components.slice(0, -1);
    const directory = await this.#enter(target.export, parents);
    return { directory, name, label: showPath(target) };
  }

  /** Makes a directory of the image and enters it; its attributes are set when it is left. */
  async makeDirectory(target: ExportPath, member: Member): Promise<void> {
    let isNew = false;
    if (target.components.length > 0) {
      const place = await this.place(target);
      isNew = this.#makeOrKeep(place);
    }
    const directory = await this.#enter(target.export, target.components);
    const level = this.#levels.at(-1);
    const isOurs = isNew && this.#levels.at(-2)?.attributes !== undefined;
    // Attributes that stay would be too many, and a default ACL would reach into what is made here.
    if (!isOurs && this.#helper.clearXattrs({ directory, name: HERE })) await this.settle();
    if (level !== undefined) level.attributes = member;
    if (!isNew && this.#options.removeGone && member.dumpDirectory !== undefined) {
      removeContents(directory, this.#policy(), listedNames(member.dumpDirectory));
    }
  }

  /** Gives a new name to what an earlier member became; neither end is followed. */
  link(existing: ExportPath, place: Place): void {
    const name = existing.components.at(-1) ?? HERE;
    const root = openRoot(existing.export.directory);
    try {
      const directory = openAt(root, existing.components.slice(0, -1));
      try {
        const from = Buffer.concat([Buffer.from(`/proc/self/fd/${directory.fd}/`), name]);
        this.replacing(place, () => linkSync(from, nameIn(place.directory, place.name)));
      } finally {
        closeDirectory(directory);
      }
    } finally {
      closeDirectory(root);
    }
  }

  setTime(place: Place, member: Member): void {
    this.#helper.setTime(place, member.mtimeNs, place.label);
  }

  setXattrs(place: Place, member: Member): void {
    for (const xattr of member.xattrs ?? []) {
      const label = `${place.label} (attribute ${xattr.name.toString('latin1')})`;
      this.#helper.setXattr(place, xattr, label);
    }
  }

  /** Owner, then mode, since changing the owner clears set-user-id. */
  setOwnerAndMode(fd: number, member: Member): void {
    const { owner, mode } = this.#ownership(member);
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, mode);
  }

  /** For what has no descriptor: links and nodes, whose mode came with their making. */
  setOwner(place: Place, member: Member): void {
    const { owner } = this.#ownership(member);
    if (owner !== undefined) lchownSync(nameIn(place.directory, place.name), owner.uid, owner.gid);
  }

  /**
   * Makes a new object by a call that never overwrites. What is in the way goes, unless it is a
   * directory; the common case, nothing there, costs no extra call.
   */
  replacing<T>(place: Place, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    this.removeOld(place);
    return make();
  }

  /** Removes what has the place's name; nothing is fine, a directory only where it has to give way. */
  removeOld(place: Place): void {
    if (this.#options.removeGone) {
      removeTree(place.directory, place.name, this.#policy());
      return;
    }
    try {
      unlinkSync(nameIn(place.directory, place.name));
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT') return;
      throw code === 'EISDIR' || code === 'EPERM' ? inTheWay(place, error) : error;
    }
  }

  /** Leaves every directory and waits until all attributes are set. */
  async finish(): Promise<void> {
    this.#leaveTo(0);
    await this.settle();
  }

  /** Waits for the attribute helper when it lies far behind. */
  async settleIfBehind(): Promise<void> {
    const behind = this.#helper.pending >= CALLS_PENDING_MAX || this.#closing.length >= CLOSING_MAX;
    if (behind) await this.settle();
  }

  async settle(): Promise<void> {
    for (const failed of await this.#helper.settled()) this.#options.onTrouble(failed);
    for (const directory of this.#closing.splice(0)) closeDirectory(directory);
  }

  #ownership(member: Member): Ownership {
    return ownershipOf(member, {
      mayChangeOwner: this.#mayChangeOwner,
      forced: this.#export?.owner,
      ownUid: process.geteuid?.() ?? 0,
    });
  }

  #policy(): MountPolicy {
    if (this.#mounts === undefined) throw new InTheWayError('no directory is open');
    return this.#mounts;
  }

  async #enter(wanted: Export, components: readonly Buffer[]): Promise<Directory> {
    if (this.#export !== wanted) {
      this.#leaveTo(0);
      this.#export = wanted;
      const directory = openRoot(wanted.directory);
      this.#mounts = new MountPolicy(directory, fstatSync(directory.fd, { bigint: true }));
      this.#levels = [{ name: HERE, directory, attributes: undefined }];
    }
    let depth = 0;
    while (this.#levels[depth + 1]?.name.equals(components[depth] ?? HERE)) depth += 1;
    this.#leaveTo(depth + 1);
    await this.settleIfBehind();
    for (const name of components.slice(depth)) {
      const parent = (this.#levels.at(-1) as Level).directory;
      this.#levels.push({ name, directory: this.#openOrMake(parent, name), attributes: undefined });
    }
    return (this.#levels.at(-1) as Level).directory;
  }

  #openOrMake(parent: Directory, name: Buffer): Directory {
    let directory: Directory;
    try {
      directory = openBelow(parent, name);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      mkdirSync(nameIn(parent, name), MODE_OF_PARENTS);
      directory = openBelow(parent, name);
    }
    if (this.#policy().allows(directory, fstatSync(directory.fd, { bigint: true }))) {
      return directory;
    }
    closeDirectory(directory);
    throw Object.assign(new Error('another file system is mounted there'), { code: 'EXDEV' });
  }

  /** True when it was not there before. */
  #makeOrKeep(place: Place): boolean {
    try {
      mkdirSync(nameIn(place.directory, place.name), MODE_WHILE_FILLED);
      return true;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
      if (lstatSync(nameIn(place.directory, place.name)).isDirectory()) return false;
      if (!this.#options.removeGone) throw inTheWay(place, error);
    }
    this.removeOld(place);
    mkdirSync(nameIn(place.directory, place.name), MODE_WHILE_FILLED);
    return true;
  }

  /** Leaves the deepest directories until `count` levels are open. */
  #leaveTo(count: number): void {
    while (this.#levels.length > count) {
      const level = this.#levels.pop() as Level;
      if (level.attributes !== undefined) this.#applyAttributes(level, level.attributes);
      this.#closing.push(level.directory);
    }
  }

  #applyAttributes({ directory }: Level, member: Member): void {
    const label = member.path.toString();
    try {
      this.setOwnerAndMode(directory.fd, member);
    } catch {
      this.#options.onTrouble({ label, errno: 1 });
    }
    const place = { directory, name: HERE, label };
    this.setXattrs(place, member);
    this.setTime(place, member);
  }
}

function inTheWay(place: Place, cause: unknown): InTheWayError {
  return new InTheWayError(`${place.label} exists and is of another kind`, { cause });
}
