// Making, changing and deleting key groups: each a pure step from one content of the store to the next, all or nothing.

import { StatusError } from '@tapestry/status';
import { checkDescription, entomb } from './key-changes.ts';
import { mayDelete } from './key-state.ts';
import {
  CIPHER,
  groupNamed,
  type KeyGroupRecord,
  type KeyStoreDocument,
  keysOf,
  type Limits,
} from './key-store.ts';

/** Enough for a pool's name, and for `server:volume` of disk. */
const NAME = /^[A-Za-z0-9_.:+-]{1,255}$/;

export interface GroupRequest {
  readonly name: string;
  /** Empty: the only one that new groups have. */
  readonly cipher: string;
  readonly description: string;
  /** Random. */
  readonly tag: string;
}

/** Errors: 1211, 1212, 1214, 1215. */
export function createGroup(
  document: KeyStoreDocument,
  request: GroupRequest,
  limits: Limits,
  nowMs: number,
): { readonly document: KeyStoreDocument; readonly group: KeyGroupRecord } {
  const { name, tag, description } = request;
  checkName(name);
  checkDescription(description);
  if (request.cipher !== '' && request.cipher !== CIPHER) {
    const why = `${request.cipher} is not made any more: ${CIPHER} is`;
    throw new StatusError('keyCipherUnsupported', why);
  }
  checkFree(document, name);
  if (document.groups.length >= limits.groupsMax) {
    throw new StatusError('keyGroupLimit', `there are ${limits.groupsMax} groups already`);
  }
  const times = { createdMs: nowMs, modifiedMs: nowMs };
  const group = { name, tag, cipher: CIPHER, description, ...times };
  return { document: { ...document, groups: [...document.groups, group] }, group };
}

/** Undefined changes nothing. Errors: 1209, 1210, 1211, 1212. The same document: it was so already. */
export function modifyGroup(
  document: KeyStoreDocument,
  change: {
    readonly name: string;
    readonly newName: string | undefined;
    readonly description: string | undefined;
  },
  nowMs: number,
): { readonly document: KeyStoreDocument; readonly group: KeyGroupRecord } {
  const old = groupNamed(document, change.name);
  const { newName = old.name, description = old.description } = change;
  if (newName === old.name && description === old.description) return { document, group: old };
  if (newName !== old.name) {
    checkName(newName);
    checkFree(document, newName);
  }
  checkDescription(description);
  const modifiedMs = Math.max(old.modifiedMs + 1, nowMs);
  const group = { ...old, name: newName, description, modifiedMs };
  const groups = document.groups.map((each) => (each === old ? group : each));
  return { document: { ...document, groups }, group };
}

/** `force` deletes its keys too, where each may be deleted. Errors: 1210, 1213, 1229. */
export function deleteGroup(
  document: KeyStoreDocument,
  request: { readonly name: string; readonly force: boolean; readonly by: string },
  nowMs: number,
): { readonly document: KeyStoreDocument; readonly keysDeleted: number } {
  const group = groupNamed(document, request.name);
  const keys = keysOf(document, group);
  if (keys.length > 0 && !request.force) {
    const why = `${group.name} has ${keys.length} keys: delete them first, or say -force`;
    throw new StatusError('keyGroupNotEmpty', why);
  }
  const kept = keys.find(({ state }) => !mayDelete(state));
  if (kept !== undefined) {
    const why = `key ${kept.name} is ${kept.state}: only prelive and terminated keys are deleted`;
    throw new StatusError('keyDeleteState', why);
  }
  return {
    document: {
      ...document,
      groups: document.groups.filter((each) => each !== group),
      keys: document.keys.filter(({ groupTag }) => groupTag !== group.tag),
      tombstones: [
        ...document.tombstones,
        ...keys.map((key) => entomb(key, group.name, request.by, nowMs)),
      ],
    },
    keysDeleted: keys.length,
  };
}

function checkName(name: string): void {
  if (NAME.test(name)) return;
  const why = 'a group name has 1 to 255 letters, digits and _ . : + -';
  throw new StatusError('keyGroupNameInvalid', why);
}

function checkFree(document: KeyStoreDocument, name: string): void {
  if (!document.groups.some((group) => group.name === name)) return;
  throw new StatusError('keyGroupExists', `there is a group ${name} already`);
}
