// Groups and keys that travel from one store to another: what goes out, and how what comes in is taken, all or nothing.
// Groups are never merged: a key is moved afterwards, by a person.

import { StatusError } from '@tapestry/status';
import type { Material } from './key-changes.ts';
import {
  groupNamed,
  type KeyGroupRecord,
  type KeyRecord,
  type KeyStoreDocument,
  keysOf,
  type Limits,
} from './key-store.ts';

const NAME_MAX = 255;

/** A key without its secret. */
export type EscrowedKey = Omit<KeyRecord, 'wrapped' | 'mac'>;

export interface Escrowed {
  readonly groups: readonly KeyGroupRecord[];
  readonly keys: readonly EscrowedKey[];
}

/** Empty `names`: everything. Errors: 1210. */
export function selectGroups(
  document: KeyStoreDocument,
  names: readonly string[],
): { readonly groups: readonly KeyGroupRecord[]; readonly keys: readonly KeyRecord[] } {
  if (names.length === 0) return document;
  const groups = [...new Set(names)].map((name) => groupNamed(document, name));
  return { groups, keys: groups.flatMap((group) => keysOf(document, group)) };
}

export interface IncomingKey extends EscrowedKey {
  /** Under this store's key protection key. */
  readonly wrapped: string;
}

export interface ImportOptions {
  /** Stands behind the name of each group; empty: they keep theirs. */
  readonly suffix: string;
  /** Empty: the groups keep theirs. */
  readonly description: string;
  /** A new tag for the group that had this one. */
  readonly tagFor: (oldTag: string) => string;
}

export interface ImportedGroup {
  readonly name: string;
  /** Empty: nothing of it was new. */
  readonly importedAs: string;
  readonly imported: number;
  readonly skipped: readonly { readonly tag: string; readonly reason: string }[];
}

/** Errors: 1214, 1225, 1282 a name is taken, 1283 a tag stands for two keys. */
export function importKeys(
  document: KeyStoreDocument,
  incoming: { readonly groups: readonly KeyGroupRecord[]; readonly keys: readonly IncomingKey[] },
  options: ImportOptions,
  limits: Limits,
  nowMs: number,
): { readonly document: KeyStoreDocument; readonly groups: readonly ImportedGroup[] } {
  const known = new Map(document.keys.map((key) => [key.tag, key.proof]));
  const proofs = new Map(document.keys.map((key) => [key.proof, key.name]));
  const groups: KeyGroupRecord[] = [...document.groups];
  const keys: KeyRecord[] = [...document.keys];
  const report = incoming.groups.map((group): ImportedGroup => {
    const skipped: { tag: string; reason: string }[] = [];
    const taken: IncomingKey[] = [];
    const all = incoming.keys.filter(({ groupTag }) => groupTag === group.tag);
    for (const key of all) {
      const reason = reasonToSkip(key, known, proofs);
      if (reason !== '') {
        skipped.push({ tag: key.tag, reason });
        continue;
      }
      known.set(key.tag, key.proof);
      proofs.set(key.proof, key.name);
      taken.push(key);
    }
    if (taken.length === 0 && all.length > 0) {
      return { name: group.name, importedAs: '', imported: 0, skipped };
    }
    const name = nameFor(group, groups, options);
    checkRoom(groups, taken, limits);
    const tag = options.tagFor(group.tag);
    const description = options.description === '' ? group.description : options.description;
    groups.push({ ...group, name, tag, description, createdMs: nowMs, modifiedMs: nowMs });
    keys.push(...taken.map((key) => imported(key, tag, nowMs)));
    return { name: group.name, importedAs: name, imported: taken.length, skipped };
  });
  const isSame = keys.length === document.keys.length && groups.length === document.groups.length;
  return { document: isSame ? document : { ...document, groups, keys }, groups: report };
}

function reasonToSkip(
  key: EscrowedKey,
  known: ReadonlyMap<string, string>,
  proofs: ReadonlyMap<string, string>,
): string {
  const proof = known.get(key.tag);
  if (proof === key.proof) return 'it is here already';
  if (proof !== undefined) {
    const why = `the tag ${key.tag} stands for another key here: one of the two was made up`;
    throw new StatusError('importAborted', why);
  }
  const twin = proofs.get(key.proof);
  return twin === undefined ? '' : `it is here already, under another tag, as ${twin}`;
}

function nameFor(
  group: KeyGroupRecord,
  groups: readonly KeyGroupRecord[],
  { suffix }: ImportOptions,
): string {
  const name = `${group.name.slice(0, NAME_MAX - suffix.length)}${suffix}`;
  if (!groups.some((each) => each.name === name)) return name;
  throw new StatusError(
    'importGroupConflict',
    `there is a group ${name} already: nothing was imported`,
  );
}

function checkRoom(
  groups: readonly KeyGroupRecord[],
  taken: readonly IncomingKey[],
  limits: Limits,
): void {
  if (groups.length >= limits.groupsMax) {
    throw new StatusError('keyGroupLimit', `there are ${limits.groupsMax} groups already`);
  }
  if (taken.length > limits.keysPerGroupMax) {
    throw new StatusError('keyLimit', `a group has at most ${limits.keysPerGroupMax} keys here`);
  }
}

/** A group that comes in has no active key until somebody says so. */
function imported(key: IncomingKey, groupTag: string, nowMs: number): KeyRecord {
  const state = key.state === 'active' ? 'inactive' : key.state;
  const origin: Material['origin'] = 'imported';
  return { ...key, groupTag, state, origin, mac: '', modifiedMs: Math.max(nowMs, key.createdMs) };
}
