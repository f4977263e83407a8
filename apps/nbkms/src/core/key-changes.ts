// Making, changing, recovering and deleting keys: each a pure step from one content of the store to the next, all or
// nothing. Whatever makes a key active makes the group's former active key inactive in the same step.

import { StatusError } from '@tapestry/status';
import { mayDelete, mayStep, nextStates } from './key-state.ts';
import {
  activeKeyOf,
  groupNamed,
  type KeyGroupRecord,
  type KeyOrigin,
  type KeyRecord,
  type KeyState,
  type KeyStoreDocument,
  keyNamed,
  keysOf,
  type Limits,
  type Tombstone,
} from './key-store.ts';

const NAME_BYTES_MAX = 255;
const DESCRIPTION_MAX = 1_024;

/** A key's secret as the store keeps it, and what is known of it in public. */
export interface Material {
  readonly tag: string;
  readonly proof: string;
  readonly wrapped: string;
  readonly origin: KeyOrigin;
  readonly derivationName: string;
  readonly profile: number;
  readonly unverified: boolean;
}

export interface KeyChange {
  readonly document: KeyStoreDocument;
  readonly key: KeyRecord;
  /** The key that was active before, and is inactive now. */
  readonly demoted: KeyRecord | undefined;
}

export interface NewKey {
  readonly group: string;
  readonly name: string;
  readonly description: string;
  readonly state: 'prelive' | 'active' | 'inactive';
  readonly material: Material;
}

/** A created key is prelive or active, a recovered one inactive. Errors: 1209, 1210, 1222 to 1225. */
export function addKey(
  document: KeyStoreDocument,
  request: NewKey,
  limits: Limits,
  nowMs: number,
): KeyChange {
  const { name, description, state, material } = request;
  const group = groupNamed(document, request.group);
  checkKeyName(name);
  checkDescription(description);
  checkRoom(document, group, name, limits);
  checkNew(document, material);
  const key: KeyRecord = {
    ...{ groupTag: group.tag, name, description, createdMs: nowMs, modifiedMs: nowMs },
    ...{ state: state === 'active' ? 'prelive' : state, compromised: false, mac: '' },
    ...material,
  };
  const added = { ...document, keys: [...document.keys, key] };
  if (state !== 'active') return { document: added, key, demoted: undefined };
  return stepTo(added, key, 'active', nowMs);
}

export interface KeyEdit {
  readonly group: string;
  readonly name: string;
  readonly state: KeyState | undefined;
  readonly newName: string | undefined;
  readonly description: string | undefined;
  /** The group that it shall belong to. */
  readonly moveTo: string | undefined;
  readonly compromised?: boolean;
}

/**
 * Moves first, then renames, then changes the state. An active key that comes to a group with one arrives inactive.
 * The same document: it was so already. Errors: 1209, 1210, 1220, 1222, 1225, 1226, 1231.
 */
export function modifyKey(
  document: KeyStoreDocument,
  edit: KeyEdit,
  limits: Limits,
  nowMs: number,
): KeyChange {
  const old = keyNamed(document, { group: edit.group, key: edit.name });
  const home = groupNamed(document, edit.group);
  const group = edit.moveTo === undefined ? home : groupNamed(document, edit.moveTo);
  const { newName: name = old.name, description = old.description } = edit;
  const compromised = edit.compromised ?? old.compromised;
  if (name !== old.name) checkKeyName(name);
  checkDescription(description);
  if (group !== home && group.cipher !== home.cipher) {
    const why = `${group.name} is a group of ${group.cipher}, the key one of ${home.cipher}`;
    throw new StatusError('keyCipherMismatch', why);
  }
  if (group !== home || name !== old.name) {
    // In its own group it takes no further place.
    const roomLimits = group === home ? { ...limits, keysPerGroupMax: Infinity } : limits;
    checkRoom(document, group, name, roomLimits);
  }
  const arrives =
    group !== home && old.state === 'active' && activeKeyOf(document, group) !== undefined;
  const moved = { groupTag: group.tag, state: arrives ? ('inactive' as const) : old.state };
  const next = { ...old, ...moved, name, description, compromised };
  const isSame = (Object.keys(next) as (keyof KeyRecord)[]).every((at) => next[at] === old[at]);
  const edited = isSame ? { document, key: old } : replaced(document, old, next, nowMs);
  if (edit.state === undefined || edit.state === edited.key.state) {
    return { ...edited, demoted: undefined };
  }
  return stepTo(edited.document, edited.key, edit.state, nowMs);
}

/** `inUse`: how many unexpired images name its tag. Errors: 1210, 1220, 1229, 1230. */
export function deleteKey(
  document: KeyStoreDocument,
  request: {
    readonly group: string;
    readonly name: string;
    readonly by: string;
    readonly inUse: number;
    readonly force: boolean;
  },
  nowMs: number,
): { readonly document: KeyStoreDocument; readonly key: KeyRecord } {
  const key = keyNamed(document, { group: request.group, key: request.name });
  if (!mayDelete(key.state)) {
    const why = `${key.name} is ${key.state}: only a prelive or terminated key is deleted`;
    throw new StatusError('keyDeleteState', why);
  }
  if (request.inUse > 0 && !request.force) {
    const why = `${request.inUse} images that have not expired can be read with ${key.name} alone`;
    throw new StatusError('keyInUse', why);
  }
  const tombstone = entomb(key, request.group, request.by, nowMs);
  return {
    document: {
      ...document,
      keys: document.keys.filter((each) => each !== key),
      tombstones: [...document.tombstones, tombstone],
    },
    key,
  };
}

export function entomb(key: KeyRecord, groupName: string, by: string, nowMs: number): Tombstone {
  return { tag: key.tag, name: key.name, groupName, deletedMs: nowMs, by };
}

function stepTo(
  document: KeyStoreDocument,
  key: KeyRecord,
  state: KeyState,
  nowMs: number,
): KeyChange {
  if (!mayStep(key.state, state)) {
    const why = `${key.name} is ${key.state}, from which it may become ${nextStates(key.state)}`;
    throw new StatusError('keyStateTransition', why);
  }
  const active = document.keys.find(
    (each) => each.groupTag === key.groupTag && each.state === 'active',
  );
  if (state !== 'active' || active === undefined) {
    return { ...replaced(document, key, { ...key, state }, nowMs), demoted: undefined };
  }
  const first = replaced(document, active, { ...active, state: 'inactive' }, nowMs);
  return { ...replaced(first.document, key, { ...key, state }, nowMs), demoted: first.key };
}

/** Time goes forward for each record even where the clock went back. The record is to be sealed anew: no MAC. */
function replaced(
  document: KeyStoreDocument,
  old: KeyRecord,
  next: KeyRecord,
  nowMs: number,
): { readonly document: KeyStoreDocument; readonly key: KeyRecord } {
  const key = { ...next, modifiedMs: Math.max(old.modifiedMs + 1, nowMs), mac: '' };
  const keys = document.keys.map((each) => (each === old ? key : each));
  return { document: { ...document, keys }, key };
}

function checkKeyName(name: string): void {
  const isPrintable =
    !/\p{Cc}/u.test(name) && name.trim() === name && name === name.normalize('NFC');
  if (name !== '' && isPrintable && Buffer.byteLength(name) <= NAME_BYTES_MAX) return;
  const why = `a key name has 1 to ${NAME_BYTES_MAX} bytes, no control signs and no space at its ends`;
  throw new StatusError('kmsUsage', why);
}

function checkRoom(
  document: KeyStoreDocument,
  group: KeyGroupRecord,
  name: string,
  limits: Limits,
): void {
  const keys = keysOf(document, group);
  if (keys.some((key) => key.name === name)) {
    throw new StatusError('keyNameExists', `there is a key ${name} in ${group.name} already`);
  }
  if (keys.length >= limits.keysPerGroupMax) {
    const why = `${group.name} has ${limits.keysPerGroupMax} keys already`;
    throw new StatusError('keyLimit', why);
  }
}

function checkNew(document: KeyStoreDocument, { tag, proof }: Material): void {
  for (const key of document.keys) {
    if (key.tag === tag) {
      throw new StatusError('keyTagExists', `${key.name} has this tag: the key is there`);
    }
    if (key.proof === proof) {
      throw new StatusError('keyMaterialExists', `${key.name} is this key, under another tag`);
    }
  }
}

/** Errors: 1209. */
export function checkDescription(description: string): void {
  if ([...description].length <= DESCRIPTION_MAX) return;
  throw new StatusError('kmsUsage', `a description has at most ${DESCRIPTION_MAX} signs`);
}
