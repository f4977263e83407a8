// One recovery: reads the wanted members of an image, by direct access or in one pass, and makes them
// under their new names. Trouble with one object is logged and marks its name-list element; it never
// stops the rest.

import { closeSync, ftruncateSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { RECOVERY_STATUS, textFromBytes } from '@tapestry/ndmp';
import type { RecoverOrder } from '../core/data-protocol.ts';
import { type ExportPath, pathKey, showPath, splitPath, startsWith } from '../core/export-path.ts';
import { recoveryStatusOf, runEnd } from '../core/recovery-status.ts';
import { Selection, type Wanted } from '../core/selection.ts';
import type { DecodedMember } from '../core/tar-decode.ts';
import { AttributeHelper, CREATE } from './attribute-helper.ts';
import { errorCode, nameIn } from './directory.ts';
import { MemberReader } from './member-reader.ts';
import { nodeMode } from './node-mode.ts';
import { type Folder, PlainFiles } from './plain-files.ts';
import type { Reporter } from './reporter.ts';
import { StreamEndError, type StreamSource } from './stream-source.ts';
import { type Place, TargetTree } from './target-tree.ts';

const SLASH = Buffer.from('/');

/** A hard link whose data lies with a member that nobody asked for. */
interface Orphan {
  readonly target: ExportPath;
  readonly wanted: Wanted;
  readonly linkTarget: Buffer;
  readonly offset: number;
}

export class RecoverRun {
  readonly #order: RecoverOrder;
  readonly #source: StreamSource;
  readonly #reader: MemberReader;
  readonly #report: Reporter;
  readonly #selection: Selection;
  readonly #helper = new AttributeHelper();
  readonly #tree: TargetTree;
  readonly #orphans: Orphan[] = [];
  readonly #plainFiles: PlainFiles;
  #current: Wanted | undefined;
  /** Where ordinary files may follow. */
  #folder: Folder | undefined;

  constructor(order: RecoverOrder, source: StreamSource, report: Reporter) {
    this.#order = order;
    this.#source = source;
    this.#reader = new MemberReader(source);
    this.#report = report;
    this.#selection = new Selection(order.names, order);
    this.#tree = new TargetTree(this.#helper, {
      removeGone: order.removeGone && isWhole(this.#selection),
      onTrouble: ({ label, errno }) =>
        this.#report.warning(`${label}: an attribute could not be set (errno ${errno})`),
    });
    this.#plainFiles = new PlainFiles(this.#reader, this.#tree, {
      isElement:
        this.#selection.wanted.length > 1 ? (path) => this.#selection.names(path) : undefined,
      onFailure: ({ wanted }, label, error) => {
        if (!isAboutOneObject(error)) throw error;
        this.#failed(wanted, label, error);
      },
    });
  }

  /** Rejects when the stream breaks or is no image; single objects never make it reject. */
  async run(): Promise<void> {
    try {
      await this.#checkHelper();
      const direct = this.#order.direct && this.#selection.hasOffsets;
      if (this.#selection.wanted.length > 0) {
        if (direct) await this.#directAccess();
        else await this.#onePass();
        await this.#fetchOrphans();
      }
      await this.#tree.finish();
    } catch (error) {
      this.#breakOff();
      throw error;
    } finally {
      this.#helper.close();
      this.#reportElements();
    }
  }

  /** The stream broke: what was not finished by then has failed. */
  #breakOff(): void {
    for (const wanted of this.#selection.wanted) {
      if (wanted.isFinished) continue;
      wanted.isFound = true;
      wanted.status = RECOVERY_STATUS.failedIoError;
    }
  }

  async #checkHelper(): Promise<void> {
    if (await this.#helper.ready()) return;
    this.#report.warning('no Perl here: times are rounded, devices and attributes are left out');
  }

  async #onePass(): Promise<void> {
    this.#source.planAll();
    let open = this.#selection.wanted.length;
    while (open > 0) {
      await this.#takePlainFiles();
      const placed = await this.#reader.next();
      if (placed === undefined) break;
      const path = splitPath(placed.member.path);
      open -= this.#finishLeft(path ?? []);
      if (path === undefined) {
        this.#report.error(`${textFromBytes(placed.member.path)}: not a path, left out`);
        continue;
      }
      open -= await this.#takeMember(placed.member, path);
    }
  }

  /** In depth-first order a subtree is over once a member lies outside; returns how many ended. */
  #finishLeft(path: readonly Buffer[]): number {
    const current = this.#current;
    if (current === undefined || startsWith(path, current.original)) return 0;
    this.#current = undefined;
    // The subtree may have ended inside that of another element, which then goes on.
    const outer = this.#selection.match(path);
    if (outer?.isFound && !outer.isFinished) this.#current = outer;
    return finish(current);
  }

  async #takeMember(member: DecodedMember, path: readonly Buffer[]): Promise<number> {
    const wanted = this.#selection.match(path);
    const target = this.#selection.destinationOf(path);
    if (wanted === undefined || target === undefined) return 0;
    wanted.isFound = true;
    await this.#recoverMember(member, target, wanted);
    this.#folder = this.#folderOf(member, path, target, wanted);
    if (wanted.pattern !== undefined) return 0; // more may match, up to the image's end
    if (member.type === 'directory' && this.#order.recursive) {
      this.#current ??= wanted;
      if (this.#current !== wanted && path.length === wanted.original.length)
        this.#current = wanted;
      return 0;
    }
    return path.length === wanted.original.length ? finish(wanted) : 0;
  }

  async #directAccess(): Promise<void> {
    const all = [...this.#selection.outermost];
    all.sort((a, b) => (a.entry.fhInfo < b.entry.fhInfo ? -1 : 1));
    const offsets = all.map(({ entry }) => Number(entry.fhInfo));
    for (const [index, wanted] of all.entries()) {
      await this.#reader.seek(offsets[index] as number);
      this.#source.plan(runEnd(offsets, index));
      await this.#subtree(wanted);
    }
  }

  /** Recovers the member here and, for a directory, all that follows below it. */
  async #subtree(wanted: Wanted): Promise<void> {
    let isFirst = true;
    for (;;) {
      const placed = await this.#reader.next();
      const path = placed === undefined ? undefined : splitPath(placed.member.path);
      const isWithin = path !== undefined && startsWith(path, wanted.original);
      const isHere = isWithin && (!isFirst || path.length === wanted.original.length);
      if (placed === undefined || path === undefined || !isHere) {
        if (isFirst) this.#notHere(wanted);
        return;
      }
      await this.#takeMember(placed.member, path);
      if (placed.member.type !== 'directory' && isFirst) return;
      if (!this.#order.recursive) return;
      if (isFirst) this.#source.readOn();
      isFirst = false;
      await this.#takePlainFiles();
    }
  }

  /** Where the member lies, or the directory that it is; undefined where what follows has to be looked at. */
  #folderOf(
    member: DecodedMember,
    path: readonly Buffer[],
    target: ExportPath,
    wanted: Wanted,
  ): Folder | undefined {
    const depth = member.type === 'directory' ? path.length : path.length - 1;
    const isWithin = depth >= wanted.original.length && wanted.pattern === undefined;
    if (!this.#order.recursive || !isWithin) return undefined;
    const below = path.length - depth;
    const components = target.components.slice(0, target.components.length - below);
    const level = this.#tree.levelOf(target.export, components);
    if (level === undefined) return undefined;
    if (this.#folder?.level === level && this.#folder.wanted === wanted) return this.#folder;
    const prefix = Buffer.concat(path.slice(0, depth).flatMap((part) => [part, SLASH]));
    const folder = { export: target.export, components };
    return { prefix, target: folder, pathKey: `${pathKey(folder)}/`, level, wanted };
  }

  async #takePlainFiles(): Promise<void> {
    while (this.#folder !== undefined) {
      const outcome = this.#plainFiles.run(this.#folder);
      if (outcome === undefined) return;
      if (outcome === 'short' && !(await this.#source.canGrow())) return;
      await this.#tree.settleIfBehind();
      await this.#report.room();
    }
  }

  #notHere(wanted: Wanted): void {
    const { originalPath, fhInfo } = wanted.entry;
    this.#report.error(`${originalPath} is not at offset ${fhInfo} of this image`);
  }

  async #recoverMember(member: DecodedMember, target: ExportPath, wanted: Wanted): Promise<void> {
    try {
      if (member.type === 'directory') await this.#tree.makeDirectory(target, member);
      else await this.#recoverObject(member, target, wanted);
      await this.#tree.settleIfBehind();
    } catch (error) {
      if (!isAboutOneObject(error)) throw error;
      this.#failed(wanted, showPath(target), error);
    }
    const wait = this.#report.room();
    if (wait !== undefined) await wait;
  }

  async #recoverObject(member: DecodedMember, target: ExportPath, wanted: Wanted): Promise<void> {
    const place = await this.#tree.place(target);
    switch (member.type) {
      case 'file':
        return this.#recoverFile(member, place, wanted);
      case 'symlink':
        this.#tree.replacing(place, () =>
          symlinkSync(member.linkTarget ?? '', nameIn(place.directory, place.name)),
        );
        this.#tree.setOwner(place, member);
        this.#tree.setXattrs(place, member);
        return this.#tree.setTime(place, member);
      case 'hardlink':
        return this.#recoverLink(member, place, target, wanted);
      default:
        return this.#recoverNode(member, place);
    }
  }

  async #recoverFile(member: DecodedMember, place: Place, wanted: Wanted): Promise<void> {
    const fd = this.#tree.replacing(place, () =>
      openSync(nameIn(place.directory, place.name), CREATE, 0o600),
    );
    try {
      let failure: unknown;
      await this.#reader.data(member, (piece, position) => {
        try {
          writeWhole(fd, piece, position);
        } catch (error) {
          failure = error;
        }
        return failure === undefined;
      });
      if (failure !== undefined) this.#failed(wanted, place.label, failure);
      else if (member.isSparse) ftruncateSync(fd, member.size);
      this.#tree.setOwnerAndMode(fd, member);
    } finally {
      closeSync(fd);
    }
    this.#tree.setXattrs(place, member);
    this.#tree.setTime(place, member);
  }

  /** The helper makes it, so what goes wrong is known only after a wait. */
  async #recoverNode(member: DecodedMember, place: Place): Promise<void> {
    const { mode, dev } = nodeMode(member);
    this.#tree.removeOld(place);
    if (!this.#helper.makeNode(place, mode, dev, place.label)) {
      throw Object.assign(new Error('no Perl here to make it'), { code: 'ENOTSUP' });
    }
    await this.#tree.settle();
    this.#tree.setOwner(place, member);
    this.#tree.setXattrs(place, member);
    this.#tree.setTime(place, member);
  }

  async #recoverLink(member: DecodedMember, place: Place, target: ExportPath, wanted: Wanted) {
    const linkTarget = member.linkTarget ?? Buffer.alloc(0);
    const components = splitPath(linkTarget);
    const existing = components && this.#selection.destinationOf(components);
    try {
      if (existing !== undefined) {
        await this.#tree.link(existing, place);
        return;
      }
    } catch (error) {
      if (member.linkOffset === undefined) throw error;
    }
    if (member.linkOffset === undefined) {
      throw Object.assign(new Error(`its data is with ${textFromBytes(linkTarget)}`), {
        code: 'ENOENT',
      });
    }
    this.#orphans.push({ target, wanted, linkTarget, offset: member.linkOffset });
  }

  /** Links whose data was not wanted by itself: fetch it once, under the first of the new names. */
  async #fetchOrphans(): Promise<void> {
    const first = new Map<string, ExportPath>();
    this.#orphans.sort((a, b) => a.offset - b.offset);
    for (const orphan of this.#orphans) {
      const key = orphan.linkTarget.toString('latin1');
      const made = first.get(key);
      try {
        const place = await this.#tree.place(orphan.target);
        if (made !== undefined) await this.#tree.link(made, place);
        else await this.#fetchOrphan(orphan);
        first.set(key, made ?? orphan.target);
      } catch (error) {
        if (!isAboutOneObject(error) && !(error instanceof StreamEndError)) throw error;
        const label = `${showPath(orphan.target)}, a link to ${textFromBytes(orphan.linkTarget)},`;
        this.#failed(orphan.wanted, label, error);
      }
    }
  }

  async #fetchOrphan(orphan: Orphan): Promise<void> {
    await this.#reader.seek(orphan.offset);
    const placed = await this.#reader.next();
    const isThere = placed?.member.path.equals(orphan.linkTarget) ?? false;
    if (!isThere || placed === undefined || placed.member.type === 'hardlink') {
      throw Object.assign(new Error('its data is not where the image says'), { code: 'EIO' });
    }
    await this.#recoverObject(placed.member, orphan.target, orphan.wanted);
  }

  #failed(wanted: Wanted, label: string, error: unknown): void {
    const code = errorCode(error);
    if (wanted.status === RECOVERY_STATUS.successful) wanted.status = recoveryStatusOf(code);
    const why = error instanceof Error ? error.message : String(error);
    this.#report.error(`${label} was not recovered: ${why}`);
  }

  /** One LOG_FILE an element, those without any member last. */
  #reportElements(): void {
    for (const { entry, why, status } of this.#selection.refused) {
      this.#report.error(`${entry.originalPath}: ${why}`);
      this.#report.file(entry.originalPath, status);
    }
    for (const { entry, status } of this.#selection.wanted.filter((one) => one.isFound)) {
      this.#report.file(entry.originalPath, status);
    }
    for (const { entry } of this.#selection.wanted.filter((one) => !one.isFound)) {
      this.#report.error(`${entry.originalPath || 'the backup root'} was not found in the image`);
      this.#report.file(entry.originalPath, RECOVERY_STATUS.failedNotFound);
    }
  }
}

/** Only a recovery of the whole image can know that what it does not list is gone. */
function isWhole({ wanted, refused }: Selection): boolean {
  return wanted.length === 1 && refused.length === 0 && wanted[0]?.original.length === 0;
}

function finish(wanted: Wanted): number {
  if (wanted.isFinished) return 0;
  wanted.isFinished = true;
  return 1;
}

/** System call failures concern one object; a broken stream or image concerns them all. */
function isAboutOneObject(error: unknown): boolean {
  if (error instanceof StreamEndError) return false;
  const code = errorCode(error);
  return code !== 'UNKNOWN' && !['ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes(code);
}

function writeWhole(fd: number, piece: Buffer, position: number): void {
  let done = 0;
  while (done < piece.length) {
    done += writeSync(fd, piece, done, piece.length - done, position + done);
  }
}
