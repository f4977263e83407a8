// The fast way of a recovery: ordinary files, one after the other in the folder at work, without a promise, a path or a
// look at what is wanted for each. Whatever is not just that is left to recover-run.ts.

import { type ExportPath, showPath } from '../core/export-path.ts';
import type { Wanted } from '../core/selection.ts';
import type { PlainFile } from '../core/tar-plain-decode.ts';
import type { MemberReader } from './member-reader.ts';
import type { Level, Place, TargetTree } from './target-tree.ts';

const SLASH = 0x2f;
const DOT = 0x2e;

/** A folder whose files are wanted, as far as none has an element of its own. */
export interface Folder {
  /** In the image; ends with a slash, or is empty. */
  readonly prefix: Buffer;
  readonly target: ExportPath;
  readonly level: Level;
  readonly wanted: Wanted;
}

/** A file in a folder; how it is called is found out only when something is wrong with it. */
class FilePlace implements Place {
  readonly name: Buffer;
  readonly #folder: Folder;

  constructor(folder: Folder, name: Buffer) {
    this.#folder = folder;
    this.name = name;
  }

  get directory() {
    return this.#folder.level.directory;
  }

  get label(): string {
    const { target } = this.#folder;
    return showPath({ export: target.export, components: [...target.components, this.name] });
  }
}

export interface PlainFilesOptions {
  /** Whether a file has an element of its own; `path` has one character a byte. Undefined where none can have. */
  readonly isElement: ((path: string) => boolean) | undefined;
  onFailure(label: string, error: unknown): void;
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
    const place = new FilePlace(folder, Buffer.from(bytes.subarray(at, file.nameEnd)));
    let failure: unknown;
    try {
      failure = this.#tree.makeFile(folder.level, place, file, bytes);
    } catch (error) {
      failure = error;
    }
    if (failure !== undefined) {
      this.#hasFailed = true;
      this.#options.onFailure(place.label, failure);
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
