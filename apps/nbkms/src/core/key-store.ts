// The content of the key store as plain data, and what is read from it. Changes are group-changes.ts and
// key-changes.ts; here nothing changes.

import { StatusError } from '@tapestry/status';

export const CIPHER = 'AES_256';

export const KEY_STATES = ['prelive', 'active', 'inactive', 'deprecated', 'terminated'] as const;
export type KeyState = (typeof KEY_STATES)[number];

export interface KeyGroupRecord {
  readonly name: string;
  /** 64 hex digits, random: what keys refer to, so that a group can be renamed. */
  readonly tag: string;
  readonly cipher: string;
  readonly description: string;
  readonly createdMs: number;
  readonly modifiedMs: number;
}

export type KeyOrigin = 'random' | 'passphrase' | 'imported' | 'recovered';

export interface KeyRecord {
  readonly groupTag: string;
  readonly name: string;
  /** 64 hex digits: what media carry. Made of the key, except of keys that came from elsewhere. */
  readonly tag: string;
  /** 64 hex digits, always made of the key: tells that two records hold the same secret. */
  readonly proof: string;
  readonly state: KeyState;
  readonly description: string;
  readonly createdMs: number;
  readonly modifiedMs: number;
  readonly origin: KeyOrigin;
  /** The name that was fed to the derivation: stays when the key is renamed. Empty for random keys. */
  readonly derivationName: string;
  /** Of a passphrase's derivation; 0 for random keys. */
  readonly profile: number;
  readonly compromised: boolean;
  /** Recovered under a tag that proves nothing, and no image was read with it yet. */
  readonly unverified: boolean;
  /** Base64: the key under the key protection key. */
  readonly wrapped: string;
  /** Base64: binds what is public in this record to its secret. */
  readonly mac: string;
}

/** What is left of a deleted key: no secret. */
export interface Tombstone {
  readonly tag: string;
  readonly name: string;
  readonly groupName: string;
  readonly deletedMs: number;
  readonly by: string;
}

export interface KeyStoreDocument {
  readonly createdMs: number;
  readonly groups: readonly KeyGroupRecord[];
  readonly keys: readonly KeyRecord[];
  readonly tombstones: readonly Tombstone[];
}

export interface Limits {
  readonly groupsMax: number;
  readonly keysPerGroupMax: number;
}

export interface GroupSummary {
  readonly group: KeyGroupRecord;
  readonly keys: number;
  /** Of its active key; empty without one. */
  readonly activeTag: string;
}

export function emptyDocument(nowMs: number): KeyStoreDocument {
  return { createdMs: nowMs, groups: [], keys: [], tombstones: [] };
}

/** Errors: 1210. */
export function groupNamed(document: KeyStoreDocument, name: string): KeyGroupRecord {
  const group = document.groups.find((each) => each.name === name);
  if (group === undefined) throw new StatusError('keyGroupMissing', `there is no group ${name}`);
  return group;
}

export function keysOf(document: KeyStoreDocument, group: KeyGroupRecord): KeyRecord[] {
  return document.keys.filter((key) => key.groupTag === group.tag);
}

/** Errors: 1210, 1220. */
export function keyNamed(
  document: KeyStoreDocument,
  names: { readonly group: string; readonly key: string },
): KeyRecord {
  const group = groupNamed(document, names.group);
  const key = keysOf(document, group).find((each) => each.name === names.key);
  if (key !== undefined) return key;
  throw new StatusError('keyMissing', `there is no key ${names.key} in ${names.group}`);
}

export function activeKeyOf(
  document: KeyStoreDocument,
  group: KeyGroupRecord,
): KeyRecord | undefined {
  return document.keys.find((key) => key.groupTag === group.tag && key.state === 'active');
}

/** All groups by name, each with its number of keys. */
export function summarize(document: KeyStoreDocument): GroupSummary[] {
  const counts = new Map<string, number>();
  const active = new Map<string, string>();
  for (const { groupTag, state, tag } of document.keys) {
    counts.set(groupTag, (counts.get(groupTag) ?? 0) + 1);
    if (state === 'active') active.set(groupTag, tag);
  }
  return document.groups
    .map((group) => ({
      ...{ group, keys: counts.get(group.tag) ?? 0, activeTag: active.get(group.tag) ?? '' },
    }))
    .sort((a, b) => (a.group.name < b.group.name ? -1 : 1));
}

/** A document that was authenticated may still come from a release that this one does not understand. */
export function isDocument(value: unknown): value is KeyStoreDocument {
  const document = value as Partial<KeyStoreDocument> | null;
  return (
    typeof document === 'object' &&
    document !== null &&
    typeof document.createdMs === 'number' &&
    Array.isArray(document.groups) &&
    Array.isArray(document.keys) &&
    Array.isArray(document.tombstones)
  );
}
