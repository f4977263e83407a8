// What `kubectl kustomize` makes of our kustomizations, for the checks: only what these use (resources, patches by file,
// images), and anything else is refused rather than left out.

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [key: string]: unknown;
}

interface Kustomization {
  resources?: string[];
  patches?: { path: string }[];
  images?: { name: string; newName?: string; newTag?: string }[];
}

const KNOWN = new Set(['apiVersion', 'kind', 'resources', 'patches', 'images']);

/** The manifests of a folder with a kustomization. @throws Error for what this renderer does not know */
export function render(folder: string): Manifest[] {
  const [kustomization] = readYaml(join(folder, 'kustomization.yaml')) as [Kustomization];
  const unknown = Object.keys(kustomization).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) throw new Error(`${folder}: kustomization uses ${unknown.join(', ')}`);
  const manifests = (kustomization.resources ?? []).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? render(path) : (readYaml(path) as Manifest[]);
  });
  for (const { path } of kustomization.patches ?? []) {
    for (const patch of readYaml(join(folder, path)) as Manifest[]) applyPatch(manifests, patch);
  }
  for (const image of kustomization.images ?? []) renameImages(manifests, image);
  return manifests;
}

export function readYaml(path: string): unknown[] {
  return parseAllDocuments(readFileSync(path, 'utf8'), { version: '1.1' }).map((document) => {
    if (document.errors.length > 0) throw new Error(`${path}: ${document.errors[0]?.message}`);
    // The files are ours: many aliases are no attack.
    return document.toJS({ maxAliasCount: -1 }) as unknown;
  });
}

function applyPatch(manifests: Manifest[], patch: Manifest): void {
  const at = manifests.findIndex((each) => keyOf(each) === keyOf(patch));
  if (at < 0) throw new Error(`a patch names ${keyOf(patch)}, which is not there`);
  manifests[at] = merge(manifests[at] as unknown as Json, patch as unknown as Json) as never;
}

function keyOf({ apiVersion, kind, metadata }: Manifest): string {
  return `${apiVersion} ${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

/** Maps are merged, lists of named things by name, other lists replaced: what our patches need of strategic merge. */
export function merge(base: Json, patch: Json): Json {
  if (Array.isArray(base) && Array.isArray(patch)) return mergeLists(base, patch);
  if (!isMap(base) || !isMap(patch)) return patch;
  const merged = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) throw new Error(`${key} is not known here`);
    if (value === null) delete merged[key];
    else merged[key] = key in base ? merge(base[key] as Json, value) : value;
  }
  return merged;
}

function mergeLists(base: Json[], patch: Json[]): Json[] {
  const named = [...base, ...patch].every((each) => isMap(each) && typeof each.name === 'string');
  if (!named) return patch;
  const nameOf = (each: Json): Json => (each as { name: Json }).name;
  const rest = base.filter((each) => !patch.some((other) => nameOf(other) === nameOf(each)));
  const changed = patch.map((each) => {
    const old = base.find((other) => nameOf(other) === nameOf(each));
    return old === undefined ? each : merge(old, each);
  });
  return [...changed, ...rest];
}

function isMap(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function renameImages(value: unknown, image: NonNullable<Kustomization['images']>[number]): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (key === 'image' && typeof child === 'string') {
      const [name, tag] = child.split(/:(?=[^/:]*$)/);
      if (name !== image.name) continue;
      const renamed = `${image.newName ?? name}:${image.newTag ?? tag}`;
      (value as Record<string, unknown>)[key] = renamed;
    } else renameImages(child, image);
  }
}
