// Where a recovery writes: a stack of open directories that follows the stream's depth-first order. All
// work is by descriptor and single name, so neither an image nor a link in the target can lead it out
// of its export.

import { fchmodSync, fchownSync, linkSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import type { Export, ExportPath } from '../core/export-path.ts';
import { showPath } from '../core/export-path.ts';
import type { Member } from '../core/tar-encode.ts';
import type { AttributeHelper, FailedCall } from './attribute-helper.ts';
import {
  closeDirectory,
  type Directory,
  errorCode,
  openAt,
  openBelow,
  openRoot,
  pathIn,
} from './directory.ts';

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
  /** For system calls. */
  readonly path: Buffer;
  /** For people. */
  readonly label: string;
}

export class TargetTree {
  readonly #helper: AttributeHelper;
  readonly #onTrouble: (failed: FailedCall) => void;
  readonly #closing: Directory[] = [];
  readonly #isRoot = process.geteuid?.() === 0;
  #export: Export | undefined;
  #levels: Level[] = [];

  constructor(helper: AttributeHelper, onTrouble: (failed: FailedCall) => void) {
    this.#helper = helper;
    this.#onTrouble = onTrouble;
  }

  /** The place of an object, its parents made where they are missing. Not for an export's root. */
  async place(target: ExportPath): Promise<Place> {
    const name = target.components.at(-1);
    if (name === undefined) throw new InTheWayError('an export cannot be replaced');
    const parents = target.components.slice(0, -1);
    const directory = await this.#enter(target.export, parents);
    return { directory, name, path: pathIn(directory, name), label: showPath(target) };
  }

  /** Makes a directory of the image and enters it; its attributes are set when it is left. */
  async makeDirectory(target: ExportPath, member: Member): Promise<void> {
    if (target.components.length > 0) {
      const place = await this.place(target);
      makeOrKeepDirectory(place);
    }
    await this.#enter(target.export, target.components);
    const level = this.#levels.at(-1);
    if (level !== undefined) level.attributes = member;
  }

  /** Gives a new name to what an earlier member became; neither end is followed. */
  link(existing: ExportPath, place: Place): void {
    const make = (from: Buffer): void => replacing(place, () => linkSync(from, place.path));
    const name = existing.components.at(-1) ?? HERE;
    const root = openRoot(existing.export.directory);
    try {
      const directory = openAt(root, existing.components.slice(0, -1));
      try {
        make(pathIn(directory, name));
      } finally {
        closeDirectory(directory);
      }
    } finally {
      closeDirectory(root);
    }
  }

  setTime(place: Place, member: Member): void {
    this.#helper.setTime(place.path, member.mtimeNs, place.label);
  }

  setXattrs(place: Place, member: Member): void {
    for (const xattr of member.xattrs ?? []) {
      const label = `${place.label} (attribute ${xattr.name.toString('latin1')})`;
      this.#helper.setXattr(place.path, xattr, label);
    }
  }

  /** Owner, then mode, since changing the owner clears set-user-id. Others than root keep their own. */
  setOwnerAndMode(fd: number, member: Member): void {
    if (this.#isRoot) fchownSync(fd, member.uid, member.gid);
    fchmodSync(fd, member.mode);
  }

  get mayChangeOwner(): boolean {
    return this.#isRoot;
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
    for (const failed of await this.#helper.settled()) this.#onTrouble(failed);
    for (const directory of this.#closing.splice(0)) closeDirectory(directory);
  }

  async #enter(wanted: Export, components: readonly Buffer[]): Promise<Directory> {
    if (this.#export !== wanted) {
      this.#leaveTo(0);
      this.#export = wanted;
      const directory = openRoot(wanted.directory);
      this.#levels = [{ name: HERE, directory, attributes: undefined }];
    }
    let depth = 0;
    while (this.#levels[depth + 1]?.name.equals(components[depth] ?? HERE)) depth += 1;
    this.#leaveTo(depth + 1);
    await this.settleIfBehind();
    for (const name of components.slice(depth)) {
      const parent = (this.#levels.at(-1) as Level).directory;
      this.#levels.push({ name, directory: openOrMake(parent, name), attributes: undefined });
    }
    return (this.#levels.at(-1) as Level).directory;
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
      this.#onTrouble({ label, errno: 1 });
    }
    const path = pathIn(directory, HERE);
    const place = { directory, name: HERE, path, label };
    this.setXattrs(place, member);
    this.setTime(place, member);
  }
}

/**
 * Makes a new object by a call that never overwrites. What is in the way goes, unless it is a directory;
 * the common case, nothing there, costs no extra call.
 */
export function replacing<T>(place: Place, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  removeOld(place);
  return make();
}

/** Removes what has the place's name; a directory is in the way, nothing is fine. */
export function removeOld(place: Place): void {
  try {
    unlinkSync(place.path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return;
    throw code === 'EISDIR' || code === 'EPERM' ? inTheWay(place, error) : error;
  }
}

function openOrMake(parent: Directory, name: Buffer): Directory {
  try {
    return openBelow(parent, name);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  mkdirSync(pathIn(parent, name), MODE_OF_PARENTS);
  return openBelow(parent, name);
}

function makeOrKeepDirectory(place: Place): void {
  try {
    mkdirSync(place.path, MODE_WHILE_FILLED);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    if (!lstatSync(place.path).isDirectory()) throw inTheWay(place, error);
  }
}

function inTheWay(place: Place, cause: unknown): InTheWayError {
  return new InTheWayError(`${place.label} exists and is of another kind`, { cause });
}
