// Where a recovery writes: a stack of open directories that follows the stream's depth-first order. All
// work is by descriptor and single name, so neither an image nor a link in the target can lead it out
// of its export.

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { listedNames } from '../core/dump-directory.ts';
import { type Export, type ExportPath, pathKey, showPath } from '../core/export-path.ts';
import { type Owner, type Ownership, ownershipOf } from '../core/ownership.ts';
import type { DecodedMember } from '../core/tar-decode.ts';
import type { Member } from '../core/tar-encode.ts';
import type { PlainFile } from '../core/tar-plain-decode.ts';
import {
  type AttributeHelper,
  CREATE,
  type FailedCall,
  fileTimeOf,
  type HandedPlace,
} from './attribute-helper.ts';
import {
  closeDirectory,
  type Directory,
  errorCode,
  nameIn,
  openAt,
  openBelow,
  openRoot,
  pathOf,
} from './directory.ts';
import { FRAMED_DATA_BYTES_MAX, type NewFile } from './file-frame.ts';
import { HandedFiles } from './handed-files.ts';
import { MountPolicy } from './mounts.ts';
import { mayChangeOwner } from './privileges.ts';
import { removeContents, removeTree } from './tree-removal.ts';

const HERE = Buffer.from('.');
const MODE_WHILE_WRITTEN = 0o600;
const MODE_WHILE_FILLED = 0o700;
const MODE_OF_PARENTS = 0o755;
/** The attribute helper is asked how far it is after so many calls or directories that it still needs open ... */
const CALLS_PENDING_MAX = 256;
const CLOSING_MAX = 16;
/** ... and waited for when so many of these questions are open. */
const QUESTIONS_MAX = 16;

/** An existing object of another type is in the way. */
export class InTheWayError extends Error {
  override readonly name = 'InTheWayError';
  readonly code = 'EEXIST';
}

type TimedMember = Member & Pick<DecodedMember, 'atimeNs'>;

/** An open directory of a recovery. */
export interface Level {
  readonly name: Buffer;
  readonly directory: Directory;
  /** Set when the image has this directory: applied once its contents are there. */
  attributes: TimedMember | undefined;
  /** Made by this recovery. */
  isNew: boolean;
  /** No default ACL is in force: what is made here gets the mode that it is made with. */
  isPlain: boolean;
  /** Who owns what is made here, once known. */
  ownerOfNew: Owner | undefined;
}

/** A name in an open directory. */
export interface Place {
  readonly directory: Directory;
  readonly name: Buffer;
  /** For people. */
  readonly label: string;
}

/** A file that may be handed over to be made; `path` is its pathKey. */
export interface FilePlace extends HandedPlace {
  readonly path: string;
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
  readonly #handed = new HandedFiles();
  readonly #mayChangeOwner = mayChangeOwner();
  readonly #ownUid = process.geteuid?.() ?? 0;
  /** From here on modes are the image's own; what it does not have is made as the administrator has it. */
  readonly #modeOfParents = MODE_OF_PARENTS & ~process.umask(0);
  #export: Export | undefined;
  #mounts: MountPolicy | undefined;
  #levels: Level[] = [];
  /** Answers of the helper to wait for, oldest first. */
  #questions: Promise<void>[] = [];

  constructor(helper: AttributeHelper, options: TargetOptions) {
    this.#helper = helper;
    this.#options = options;
  }

  /** The directory at work, if it is this one. */
  levelOf(wanted: Export, components: readonly Buffer[]): Level | undefined {
    const isHere = this.#export === wanted && this.#levels.length === components.length + 1;
    return isHere ? this.#levels.at(-1) : undefined;
  }

  /** The place of an object, its parents made where they are missing. Not for an export's root. */
  async place(target: ExportPath): Promise<Place> {
    const name = target.components.at(-1);
    if (name === undefined) throw new InTheWayError('an export cannot be replaced');
    const parents = target.components.slice(0, -1);
    const directory = await this.#enter(target.export, parents);
    await this.#awaitHanded(target);
    return { directory, name, label: showPath(target) };
  }

  /** Makes a directory of the image and enters it; its attributes are set when it is left. */
  async makeDirectory(target: ExportPath, member: TimedMember): Promise<void> {
    let isNew = false;
    if (target.components.length > 0) {
      const place = await this.place(target);
      isNew = this.#makeOrKeep(place);
    }
    const directory = await this.#enter(target.export, target.components);
    const level = this.#levels.at(-1);
    const isOurs = isNew && this.#levels.at(-2)?.attributes !== undefined;
    // Attributes that stay would be too many, and a default ACL would reach into what is made here.
    const isCleared = !isOurs && this.#helper.clearXattrs({ directory, name: HERE });
    if (isCleared) await this.settle();
    if (level !== undefined) {
      level.attributes = member;
      level.isNew = isNew;
      level.isPlain = isCleared || (isNew && this.#levels.at(-2)?.isPlain === true);
    }
    if (!isNew && this.#options.removeGone && member.dumpDirectory !== undefined) {
      removeContents(directory, this.#policy(), listedNames(member.dumpDirectory));
    }
  }

  /** Gives a new name to what an earlier member became; neither end is followed. */
  async link(existing: ExportPath, place: Place): Promise<void> {
    await this.#awaitHanded(existing);
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

  setTime(place: Place, member: TimedMember): void {
    this.#helper.setTime(place, fileTimeOf(member));
  }

  /**
   * Makes an ordinary file with its data, in as few calls as that takes, or hands it to the attribute helper while that has
   * less to do. Throws where the file cannot be made; what goes wrong with its data is returned, and with what was handed
   * over told to the place.
   */
  makeFile(level: Level, place: FilePlace, file: PlainFile, bytes: Buffer): unknown {
    const { owner, mode } = this.#ownership(file);
    const isAsMade = level.isPlain && mode <= 0o777 && isOwner(level.ownerOfNew, owner);
    const firstMode = isAsMade ? mode : MODE_WHILE_WRITTEN;
    const given = isAsMade ? undefined : { owner, mode };
    const { seconds, nanoseconds, accessed, dataAt, size } = file;
    const wanted = { seconds, nanoseconds, accessed, firstMode, given, bytes, dataAt, size };
    if (this.#hands(level, place, wanted)) return undefined;
    const path = pathOf(place.name.toString('latin1'));
    const open = (): number => openSync(nameIn(place.directory, path), CREATE, firstMode);
    const fd = this.replacing(place, open);
    let failure: unknown;
    try {
      try {
        const end = dataAt + size;
        for (let at = dataAt; at < end; ) at += writeSync(fd, bytes, at, end - at);
      } catch (error) {
        failure = error;
      }
      if (given !== undefined) {
        level.ownerOfNew ??= ownerOfNew(fd);
        this.#give(fd, owner, mode);
      }
    } finally {
      closeSync(fd);
    }
    this.#helper.setTime(
      { directory: place.directory, name: place.name, label: place.label },
      file,
    );
    return failure;
  }

  /** The path is that of a file that was handed over and may not be there yet. */
  isHanded(path: string): boolean {
    return this.#handed.has(path);
  }

  /** A folder's first file is made here, since it shows whose files there are. */
  #hands(level: Level, place: FilePlace, file: NewFile): boolean {
    const isKnown = level.ownerOfNew !== undefined || file.given?.owner === undefined;
    // Elsewhere a directory may have to give way.
    const mayBe = isKnown && (level.isNew || !this.#options.removeGone);
    if (!mayBe || !this.#handed.hasRoom || file.size > FRAMED_DATA_BYTES_MAX) return false;
    if (!this.#helper.makeFile(place, file)) return false;
    this.#handed.add(place.path, file.size);
    return true;
  }

  async #awaitHanded(target: ExportPath): Promise<void> {
    if (this.#handed.has(pathKey(target))) await this.settle();
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
    this.#give(fd, owner, mode);
  }

  #give(fd: number, owner: Owner | undefined, mode: number): void {
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

  /** Something to wait for when the attribute helper lies far behind. */
  settleIfBehind(): Promise<void> | undefined {
    if (!this.isBehind) return undefined;
    this.#ask();
    return this.#questions.length > QUESTIONS_MAX ? this.#questions.shift() : undefined;
  }

  /** Whether it is time for `settleIfBehind`. */
  get isBehind(): boolean {
    const isLong = this.#helper.pending >= CALLS_PENDING_MAX || this.#handed.isDue;
    return isLong || this.#closing.length >= CLOSING_MAX;
  }

  async settle(): Promise<void> {
    this.#ask();
    for (const question of this.#questions.splice(0)) await question;
  }

  /** Once the helper has come up to here, directories that were left can be closed. */
  #ask(): void {
    const left = this.#closing.splice(0);
    const made = this.#handed.ask();
    const answer = this.#helper.settled().then((failures) => {
      made();
      for (const failed of failures) {
        if (failed.onLost === undefined) this.#options.onTrouble(failed);
        else failed.onLost();
      }
      for (const directory of left) closeDirectory(directory);
    });
    this.#questions.push(answer);
  }

  #ownership(member: Pick<Member, 'uid' | 'gid' | 'mode'>): Ownership {
    return ownershipOf(member, {
      mayChangeOwner: this.#mayChangeOwner,
      forced: this.#export?.owner,
      ownUid: this.#ownUid,
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
      this.#levels = [levelAt(HERE, directory)];
    }
    let depth = 0;
    while (this.#levels[depth + 1]?.name.equals(components[depth] ?? HERE)) depth += 1;
    this.#leaveTo(depth + 1);
    await this.settleIfBehind();
    for (const name of components.slice(depth)) {
      const parent = (this.#levels.at(-1) as Level).directory;
      this.#levels.push(levelAt(name, this.#openOrMake(parent, name)));
    }
    return (this.#levels.at(-1) as Level).directory;
  }

  #openOrMake(parent: Directory, name: Buffer): Directory {
    let directory: Directory;
    try {
      directory = openBelow(parent, name);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      mkdirSync(nameIn(parent, name), this.#modeOfParents);
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

  #applyAttributes({ directory }: Level, member: TimedMember): void {
    const place = { directory, name: HERE, label: member.path.toString() };
    // Not before the files that were handed over are there: some modes would keep them out.
    if (!this.#helper.setOwnerAndMode(place, this.#ownership(member))) {
      try {
        this.setOwnerAndMode(directory.fd, member);
      } catch {
        this.#options.onTrouble({ label: place.label, errno: 1 });
      }
    }
    this.setXattrs(place, member);
    this.setTime(place, member);
  }
}

function levelAt(name: Buffer, directory: Directory): Level {
  const unknown = { attributes: undefined, ownerOfNew: undefined };
  return { name, directory, isNew: false, isPlain: false, ...unknown };
}

/** Read off something just made: the file system has a say in it, and the directory's set-group-id bit. */
function ownerOfNew(fd: number): Owner {
  const { uid, gid } = fstatSync(fd);
  return { uid, gid };
}

function isOwner(made: Owner | undefined, wanted: Owner | undefined): boolean {
  if (wanted === undefined) return true;
  return made !== undefined && made.uid === wanted.uid && made.gid === wanted.gid;
}

function inTheWay(place: Place, cause: unknown): InTheWayError {
  return new InTheWayError(`${place.label} exists and is of another kind`, { cause });
}
