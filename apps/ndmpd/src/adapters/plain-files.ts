// The fast way of a recovery: ordinary files, one after the other in the folder at work, without a promise, a path or a
// look at what is wanted for each. Whatever is not just that is left to recover-run.ts.

import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { type ExportPath, showPath } from '../core/export-path.ts';
import type { Wanted } from '../core/selection.ts';
import type { PlainFile } from '../core/tar-plain-decode.ts';
import type { MemberReader } from './member-reader.ts';
import type { FilePlace, Level, TargetTree } from './target-tree.ts';

const SLASH = 0x2f;
const DOT = 0x2e;

/** A folder whose files are wanted, as far as none has an element of its own. */
export interface Folder {
  /** In the image; ends with a slash, or is empty. */
  readonly prefix: Buffer;
  readonly target: ExportPath;
  /** What the pathKey of everything in it begins with. */
  readonly pathKey: string;
  readonly level: Level;
  readonly wanted: Wanted;
}

/** A file in a folder; how it is called is found out only when something is wrong with it. */
class FileInFolder implements FilePlace {
  readonly name: Buffer;
  readonly path: string;
  readonly #folder: Folder;
  readonly #onFailure: OnFailure;

  constructor(folder: Folder, name: Buffer, onFailure: OnFailure) {
    this.#folder = folder;
    this.name = name;
    this.path = folder.pathKey + name.toString('latin1');
    this.#onFailure = onFailure;
  }

  get directory() {
    return this.#folder.level.directory;
  }

  get label(): string {
    const { target } = this.#folder;
    return showPath({ export: target.export, components: [...target.components, this.name] });
  }

  onLost(errno: number): void {
    this.#onFailure(this.#folder, this.label, systemError(errno));
  }
}

/** As Node's own calls throw it. */
function systemError(errno: number): Error {
  if (errno === 0) return Object.assign(new Error('the process making it ended'), { code: 'EIO' });
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${code}: ${getSystemErrorMessage(-errno)}`), { code });
}

type OnFailure = (folder: Folder, label: string, error: unknown) => void;

export interface PlainFilesOptions {
  /** Whether a file has an element of its own; `path` has one character a byte. Undefined where none can have. */
  readonly isElement: ((path: string) => boolean) | undefined;
  readonly onFailure: OnFailure;
}

export class PlainFiles {
  readonly #reader: MemberReader;
  readonly #tree: TargetTree;
  readonly #options: PlainFilesOptions;
  #hasFailed = false;

  constructor(reader: MemberReader, tree: TargetTree, options: PlainFilesOptions) {
    this.#reader = reader;
    this.#tree = tree;
    this.#options = options;
  }

  /**
   * Recovers files of a folder up to the first thing that is none: undefined. "short" when bytes are missing, "wait"
   * when there may be something to wait for.
   */
  run(folder: Folder): 'short' | 'wait' | undefined {
    const take = (bytes: Buffer, file: PlainFile): boolean => this.#take(folder, bytes, file);
    for (;;) {
      const outcome = this.#reader.plain(take);
      if (outcome !== 'taken') return outcome;
      if (this.#tree.isBehind || this.#hasFailed) break;
    }
    this.#hasFailed = false;
    return 'wait';
  }

  #take(folder: Folder, bytes: Buffer, file: PlainFile): boolean {
    const at = nameIn(folder.prefix, bytes, file);
    if (at === undefined) return false;
    const { isElement } = this.#options;
    if (isElement?.(bytes.toString('latin1', file.nameAt, file.nameEnd)) === true) return false;
    const { onFailure } = this.#options;
    const name = Buffer.from(bytes.subarray(at, file.nameEnd));
    const place = new FileInFolder(folder, name, onFailure);
    if (this.#tree.isHanded(place.path)) return false;
    let failure: unknown;
    try {
      failure = this.#tree.makeFile(folder.level, place, file, bytes);
    } catch (error) {
      failure = error;
    }
    if (failure !== undefined) {
      this.#hasFailed = true;
      onFailure(folder, place.label, failure);
    }
    return true;
  }
}

/** Where the last component of a name begins; undefined when it is not a plain one of this folder. */
function nameIn(prefix: Buffer, bytes: Buffer, { nameAt, nameEnd }: PlainFile): number | undefined {
  const at = nameAt + prefix.length;
  if (at >= nameEnd) return undefined;
  for (let i = 0; i < prefix.length; i += 1) if (bytes[nameAt + i] !== prefix[i]) return undefined;
  let isDots = true;
  for (let i = at; i < nameEnd; i += 1) {
    if (bytes[i] === SLASH) return undefined;
    if (bytes[i] !== DOT) isDots = false;
  }
  return isDots && nameEnd - at <= 2 ? undefined : at;
}
