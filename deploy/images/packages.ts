// Which npm packages the staged sources need: what they import and their package.json declares, and what those packages
// need in turn, read from package-lock.json. Nothing for development, nothing of another platform.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface LockEntry {
  readonly version?: string;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { optional?: boolean }>>;
}

export type LockPackages = Readonly<Record<string, LockEntry>>;

export interface Need {
  /** Folder of the package that imports, as the lock file names it: `apps/nbrb`. */
  readonly from: string;
  readonly name: string;
}

/**
 * Folders below the root to copy, as keys of the lock file.
 * @throws Error naming a package that is needed and not installed
 */
export function packagesFor(root: string, lock: LockPackages, needs: readonly Need[]): string[] {
  const found = new Set<string>();
  const visit = (from: string, name: string, optional: boolean): void => {
    const path = placeOf(lock, from, name);
    const installed = path !== undefined && existsSync(join(root, path));
    if (!installed) {
      // An optional package of another platform has a place in the lock file, and no files here.
      if (optional) return;
      throw new Error(`${name}, which ${from} needs, is not installed: run "npm run setup"`);
    }
    const entry = lock[path] as LockEntry;
    if (entry.link === true || found.has(path)) return;
    found.add(path);
    for (const each of Object.keys(entry.dependencies ?? {})) visit(path, each, false);
    for (const each of Object.keys(entry.optionalDependencies ?? {})) visit(path, each, true);
    for (const each of requiredPeers(entry)) visit(path, each, false);
  };
  for (const { from, name } of needs) visit(from, name, false);
  return [...found].sort();
}

function requiredPeers(entry: LockEntry): string[] {
  return Object.keys(entry.peerDependencies ?? {}).filter(
    (name) => entry.peerDependenciesMeta?.[name]?.optional !== true,
  );
}

/** Where Node finds the package: beside the one that asks, then further up. */
function placeOf(lock: LockPackages, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = parentOf(folder)) {
    const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (lock[path] !== undefined) return path;
    if (folder === '') return undefined;
  }
}

function parentOf(folder: string): string {
  const inner = folder.lastIndexOf('/node_modules/');
  return inner < 0 ? '' : folder.slice(0, inner);
}

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"]([^'".][^'"]*)['"]/g;

/** Packages that a source text imports, without those of Node itself. */
export function importedPackages(text: string): string[] {
  const names = new Set<string>();
  for (const [, target = ''] of text.matchAll(IMPORT)) {
    if (target.startsWith('node:') || target.startsWith('#') || target.startsWith('/')) continue;
    const [scope = '', base = ''] = target.split('/');
    names.add(scope.startsWith('@') ? `${scope}/${base}` : scope);
  }
  return [...names];
}
