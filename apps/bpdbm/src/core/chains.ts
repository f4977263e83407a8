// Which images show a client's files as of a time: for each path that was backed up the newest image in the range with
// everything that it builds on. And which of these chains a user's path is looked for in.

import { chainOf, type ValidImage } from './level.ts';

export interface CatalogImage extends ValidImage {
  readonly path: string;
}

/** An image and what it builds on, full first. Never empty. */
export type Chain<T extends CatalogImage> = readonly [T, ...T[]];

export interface Range {
  readonly startS: bigint;
  /** 0: no end. */
  readonly endS: bigint;
  readonly nowS: bigint;
}

/** One chain a path, that of its newest image in the range whose chain is whole; newest first. */
export function chainsAsOf<T extends CatalogImage>(images: readonly T[], range: Range): Chain<T>[] {
  const chains = new Map<string, Chain<T>>();
  const newestFirst = [...images].sort((a, b) => (a.backupTimeS < b.backupTimeS ? 1 : -1));
  for (const image of newestFirst) {
    const { backupTimeS, path } = image;
    if (chains.has(path) || backupTimeS < range.startS) continue;
    if (range.endS !== 0n && backupTimeS > range.endS) continue;
    const chain = chainOf(image, images, range.nowS);
    if (chain !== undefined) chains.set(path, chain as unknown as Chain<T>);
  }
  return [...chains.values()];
}

export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`);
}

/** The chains that may hold a path: those of folders above it, newest first; else all those below it. */
export function chainsFor<T extends CatalogImage>(
  chains: readonly Chain<T>[],
  path: string,
): { readonly above: readonly Chain<T>[]; readonly below: readonly Chain<T>[] } {
  return {
    above: chains.filter(([full]) => isAtOrBelow(path, full.path)),
    below: chains.filter(([full]) => full.path !== path && isAtOrBelow(full.path, path)),
  };
}

/** Without paths that another selected path covers. */
export function uncovered(paths: readonly string[], folders: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (const path of [...new Set(paths)].sort()) {
    const covered = kept.some((other) => folders.has(other) && isAtOrBelow(path, other));
    if (!covered) kept.push(path);
  }
  return kept;
}
