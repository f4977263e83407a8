// Which members of an image a recovery wants, and where each goes. Made once from the name list, asked
// once a member.

import { type NameEntry, RECOVERY_STATUS, U64_MAX } from '@tapestry/ndmp';
import {
  type Export,
  type ExportPath,
  locate,
  showPath,
  splitPath,
  startsWith,
} from './export-path.ts';
import { isPattern, patternExpression } from './path-patterns.ts';

/** One element of the name list and what became of it. */
export interface Wanted {
  readonly entry: NameEntry;
  /** Components of the original path, relative to the backup root. */
  readonly original: readonly Buffer[];
  readonly destination: ExportPath;
  /** Set for an original path with wildcards, unless an object has just that name. */
  readonly pattern: PathPattern | undefined;
  isFound: boolean;
  /** Set once the last member that belongs to it was handled. */
  isFinished: boolean;
  /** RECOVERY_STATUS of the first thing that went wrong. */
  status: number;
}

/** What is found goes below the destination, from its first component with a wildcard on. */
export interface PathPattern {
  /** One a component. */
  readonly parts: readonly RegExp[];
  /** Components before the first wildcard. */
  readonly fixed: number;
}

export interface SelectionOrder {
  readonly exports: readonly Export[];
  /** FILESYSTEM of the image: original paths may carry it in front. */
  readonly filesystem: string;
  readonly version: number;
  readonly recursive: boolean;
}

/** An element that cannot be recovered whatever the image holds. */
export interface Refused {
  readonly entry: NameEntry;
  readonly status: number;
  readonly why: string;
}

const key = (components: readonly Buffer[]): string =>
  components.map((part) => part.toString('latin1')).join('/');

export class Selection {
  readonly wanted: readonly Wanted[];
  readonly refused: readonly Refused[];
  readonly #byPath = new Map<string, Wanted>();
  readonly #patterns: readonly Wanted[];
  readonly #recursive: boolean;

  constructor(names: readonly NameEntry[], order: SelectionOrder) {
    const wanted: Wanted[] = [];
    const refused: Refused[] = [];
    this.#recursive = order.recursive;
    for (const entry of names) {
      const made = makeWanted(entry, order);
      if ('why' in made) {
        refused.push(made);
        continue;
      }
      wanted.push(made);
      this.#byPath.set(key(made.original), made);
    }
    this.wanted = wanted;
    this.#patterns = wanted.filter(({ pattern }) => pattern !== undefined);
    this.refused = refused;
  }

  /** The element that a member belongs to: the longest original path at or above it. */
  match(path: readonly Buffer[]): Wanted | undefined {
    for (let length = path.length; length >= 0; length -= 1) {
      const found = this.#byPath.get(key(path.slice(0, length)));
      if (found !== undefined) return this.#recursive || length === path.length ? found : undefined;
    }
    return this.#patterns.find(({ pattern }) => pattern !== undefined && this.#fits(pattern, path));
  }

  #fits({ parts }: PathPattern, path: readonly Buffer[]): boolean {
    const isLong = this.#recursive ? path.length >= parts.length : path.length === parts.length;
    return isLong && parts.every((part, i) => part.test(path[i]?.toString('latin1') ?? ''));
  }

  /** Where a member goes; undefined when nobody asked for it. */
  destinationOf(path: readonly Buffer[]): ExportPath | undefined {
    const wanted = this.match(path);
    if (wanted === undefined) return undefined;
    const { export: found, components } = wanted.destination;
    const isLiteral = startsWith(path, wanted.original);
    const below = path.slice(isLiteral ? wanted.original.length : wanted.pattern?.fixed);
    return { export: found, components: [...components, ...below] };
  }

  /** Whether an element names just this path, which has one character a byte. */
  names(path: string): boolean {
    return this.#byPath.has(path);
  }

  /** Direct access needs an offset for every element. */
  get hasOffsets(): boolean {
    return this.wanted.every(({ entry, original, pattern }) => {
      if (pattern !== undefined) return false;
      const isRoot = original.length === 0;
      return entry.fhInfo !== U64_MAX && (entry.fhInfo !== 0n || isRoot);
    });
  }

  /** Elements below another one are served by its pass over the image. */
  get outermost(): Wanted[] {
    return this.wanted.filter((one) => {
      const above = one.original.length === 0 ? undefined : this.match(one.original.slice(0, -1));
      return above === undefined || !this.#recursive;
    });
  }
}

function makeWanted(entry: NameEntry, order: SelectionOrder): Wanted | Refused {
  const original = originalOf(entry.originalPath, order.filesystem);
  if (original === undefined) {
    return { entry, status: RECOVERY_STATUS.failedNotFound, why: 'the original path is not valid' };
  }
  const destination = destinationOf(entry, original, order);
  if (destination === undefined) {
    const why = `${entry.destinationPath || 'the destination'} is not in any export`;
    return { entry, status: RECOVERY_STATUS.failedPermission, why };
  }
  if (destination.export.readOnly === true) {
    const why = `${showPath(destination)} is in an export for reading only`;
    return { entry, status: RECOVERY_STATUS.failedPermission, why };
  }
  return {
    entry,
    original,
    destination,
    pattern: patternOf(original),
    isFound: false,
    isFinished: false,
    status: RECOVERY_STATUS.successful,
  };
}

function patternOf(original: readonly Buffer[]): PathPattern | undefined {
  const texts = original.map((part) => part.toString('latin1'));
  const fixed = texts.findIndex(isPattern);
  if (fixed === -1) return undefined;
  const parts = texts.map(patternExpression).filter((part) => part !== undefined);
  return parts.length === texts.length ? { parts, fixed } : undefined;
}

/** Relative to the backup root, whether or not the DMA put the file system in front. */
function originalOf(path: string, filesystem: string): readonly Buffer[] | undefined {
  const components = splitPath(path);
  const root = splitPath(filesystem) ?? [];
  if (components === undefined) return undefined;
  const isAbsolute = root.length > 0 && startsWith(components, root);
  return isAbsolute ? components.slice(root.length) : components;
}

/** v4: the full target, or directory plus name. v3: a directory, with the old or a new last name. */
function destinationOf(
  entry: NameEntry,
  original: readonly Buffer[],
  order: SelectionOrder,
): ExportPath | undefined {
  const named = entry.name === '' ? '' : `/${entry.name}`;
  const base = locate(order.exports, `${entry.destinationPath}${named}`);
  if (entry.destinationPath === '' && entry.name === '') {
    const root = locate(order.exports, order.filesystem);
    return root && { export: root.export, components: [...root.components, ...original] };
  }
  const last = original.at(-1);
  const appendsName = order.version === 3 && entry.name === '' && last !== undefined;
  if (base === undefined || !appendsName) return base;
  return { export: base.export, components: [...base.components, last] };
}
