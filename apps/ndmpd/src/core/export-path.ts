// Exports as a DMA sees them: /NAME/sub/dir. Pure name work; that no symbolic link leads out of an
// export is seen to where directories are opened.

import { bytesFromText, textFromBytes } from '@tapestry/ndmp';

export interface Export {
  readonly name: string;
  /** Directory on this host, as given. */
  readonly directory: string;
  /** Nothing is recovered into it. */
  readonly readOnly?: boolean;
  /** Owner of everything that is recovered into it, whatever the image says. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** A place in an export: path components below its root, each as raw bytes. */
export interface ExportPath {
  readonly export: Export;
  readonly components: readonly Buffer[];
}

const SLASH = 0x2f;

/** Components of a path; "." and empty ones vanish, ".." makes it undefined. */
export function splitPath(path: string | Buffer): Buffer[] | undefined {
  const bytes = typeof path === 'string' ? bytesFromText(path) : path;
  const components: Buffer[] = [];
  let start = 0;
  for (let at = 0; at <= bytes.length; at += 1) {
    if (at < bytes.length && bytes[at] !== SLASH) continue;
    const part = bytes.subarray(start, at);
    start = at + 1;
    if (part.length === 0 || (part.length === 1 && part[0] === 0x2e)) continue;
    if (part.equals(Buffer.from('..')) || part.includes(0)) return undefined;
    components.push(part);
  }
  return components;
}

/** Where a DMA's absolute path lies; undefined when it names no export or tries to climb out. */
export function locate(exports: readonly Export[], path: string): ExportPath | undefined {
  const components = splitPath(path);
  const first = components?.[0];
  if (components === undefined || first === undefined) return undefined;
  const name = textFromBytes(first);
  const found = exports.find((candidate) => candidate.name === name);
  return found === undefined ? undefined : { export: found, components: components.slice(1) };
}

/** The path as the DMA writes it. */
export function showPath(place: ExportPath): string {
  const tail = place.components.map((part) => `/${textFromBytes(part)}`).join('');
  return `/${place.export.name}${tail}`;
}

/** The same for every spelling of one place, and for no other. */
export function pathKey({ export: { name }, components }: ExportPath): string {
  return components.reduce((key, part) => `${key}/${part.toString('latin1')}`, name);
}

export function startsWith(path: readonly Buffer[], prefix: readonly Buffer[]): boolean {
  return prefix.length <= path.length && prefix.every((part, i) => path[i]?.equals(part));
}
