// What people ask of groups and keys: requests off the bus become steps of the store, and answers.

import { randomBytes } from 'node:crypto';
import type { Call, Handlers } from '@tapestry/bus';
import type { Asked, Init, KeyChange, SealedSecret } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Passphrases } from './adapters/passphrases.ts';
import { proofOf } from './adapters/record-sealing.ts';
import { KEY_BYTES } from './adapters/sealing.ts';
import type { UsageBook } from './adapters/usage-book.ts';
import { FIELD } from './core/container.ts';
import { createGroup, deleteGroup, modifyGroup } from './core/group-changes.ts';
import {
  addKey,
  deleteKey,
  type KeyEdit,
  type Material,
  modifyKey,
  type NewKey,
} from './core/key-changes.ts';
import { stepsToHold } from './core/key-state.ts';
import {
  activeKeyOf,
  groupNamed,
  KEY_STATES,
  type KeyRecord,
  type KeyState,
  type KeyStoreDocument,
  keyNamed,
  keysOf,
  summarize,
} from './core/key-store.ts';
import { change, committed, type Deed, refusalsTold, type StoreParts } from './key-service.ts';
import { groupOnWire, infoOnWire, keyOnWire } from './wire.ts';

const TAG_BYTES = 32;

export interface KeyParts extends StoreParts {
  readonly passphrases: Passphrases;
  readonly usage: UsageBook;
}

type GroupMethods =
  | 'GetInfo'
  | 'ListKeyGroups'
  | 'ListKeys'
  | 'CreateKeyGroup'
  | 'ModifyKeyGroup'
  | 'DeleteKeyGroup';

export function groupHandlers(parts: KeyParts): Pick<Handlers<'nbkms'>, GroupMethods> {
  const { vault, limits } = parts;
  const groupOf = (document: KeyStoreDocument, name: string) =>
    groupOnWire(summarize(document).find(({ group }) => group.name === name)!);
  return {
    GetInfo: async () => infoOnWire(parts, parts.passphrases.publicKey),
    ListKeyGroups: async ({ name }) => ({
      groups: summarize(vault.document)
        .filter(({ group }) => name === '' || group.name === name)
        .map(groupOnWire),
    }),
    ListKeys: async ({ group: named, name, activeOnly }) => {
      const { document } = vault;
      const group = groupNamed(document, named);
      const active = activeKeyOf(document, group);
      const keys = activeOnly ? (active === undefined ? [] : [active]) : keysOf(document, group);
      return {
        group: groupOf(document, named),
        keys: keys
          .filter((key) => name === '' || key.name === name)
          .map((key) => keyOnWire(document, key, parts.usage)),
      };
    },
    CreateKeyGroup: async (request, call) => {
      const tag = randomBytes(TAG_BYTES).toString('hex');
      const deed = deedOf(call, request.name, request.asked);
      const made = await change(parts, deed, (document, nowMs) =>
        createGroup(document, { ...request, tag }, limits, nowMs),
      );
      return groupOf(made.document, request.name);
    },
    ModifyKeyGroup: async ({ name, newName, description, asked }, call) => {
      const edit = { name, newName: newName ?? undefined, description: description ?? undefined };
      const { document, group } = await change(parts, deedOf(call, name, asked), (before, nowMs) =>
        modifyGroup(before, edit, nowMs),
      );
      return groupOf(document, group.name);
    },
    DeleteKeyGroup: async ({ name, force, asked }, call) => {
      const request = { name, force, by: actorOf(call, asked) };
      const { keysDeleted } = await change(parts, deedOf(call, name, asked), (before, nowMs) =>
        deleteGroup(before, request, nowMs),
      );
      if (keysDeleted > 0) await vault.forgetPrevious();
      return { keysDeleted };
    },
  };
}

type KeyMethods = 'CreateKey' | 'ModifyKey' | 'DeleteKey' | 'RecoverKey' | 'HoldKey';

export function keyHandlers(parts: KeyParts): Pick<Handlers<'nbkms'>, KeyMethods> {
  const { vault, limits } = parts;
  return {
    CreateKey: async ({ group, name, description, activate, passphrase, asked }, call) => {
      const deed = deedOf(call, `${group}/${name}`, asked);
      const made = await refusalsTold(parts, deed, () => newSecret(parts, name, passphrase));
      const state = activate ? 'active' : 'prelive';
      return answer(await added(parts, deed, { group, name, description, state }, made));
    },
    ModifyKey: async ({ group, name, asked, ...request }, call) => {
      const edit = {
        ...{ group, name, state: stateNamed(request.state ?? undefined) },
        ...{ newName: request.newName ?? undefined, moveTo: request.moveTo ?? undefined },
        description: request.description ?? undefined,
      };
      const deed = deedOf(call, `${group}/${name}${saidOf(edit)}`, asked);
      return answer(
        await change(parts, deed, (document, nowMs) => modifyKey(document, edit, limits, nowMs)),
      );
    },
    DeleteKey: async ({ group, name, asked }, call) => {
      const request = { group, name, by: actorOf(call, asked), inUse: 0, force: false };
      const deed = deedOf(call, `${group}/${name}`, asked);
      const deleted = await change(parts, deed, (document, nowMs) => ({
        ...deleteKey(document, request, nowMs),
        demoted: undefined,
      }));
      // The content before, with the key in it, goes too.
      await vault.forgetPrevious();
      return answer(deleted);
    },
    RecoverKey: async (request, call) => {
      const { group, name, description, tag } = request;
      const deed = deedOf(call, `${group}/${name} ${tag}`, request.asked);
      const made = await refusalsTold(parts, deed, () => recoverSecret(parts, request, deed.actor));
      return answer(
        await added(parts, deed, { group, name, description, state: 'inactive' }, made),
      );
    },
    HoldKey: async ({ group, name, compromised, asked }, call) => {
      const key = keyNamed(vault.document, { group, key: name });
      const deed = deedOf(call, `${group}/${name} ${key.tag}`, asked);
      await committed(parts, deed, () => parts.holds.add(key.tag));
      parts.alert(
        `key ${name} of ${group} is on hold: ${deed.reason === '' ? 'no reason given' : deed.reason}`,
      );
      if (compromised) await followHolds(parts, new Set([key.tag]));
      else await followHolds(parts);
      return {
        ...{ key: keyOnWire(vault.document, currentOf(vault.document, key)), changed: true },
        generation: vault.header.generation,
        warnings:
          parts.gate.leases.length > 0 ? ['the state follows when the store is open again'] : [],
      };
    },
  };
}

/** Brings the states of keys on hold to what the list says, by single steps; not while quiesced. */
export async function followHolds(
  parts: StoreParts,
  compromised: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const tag of parts.holds.tags) {
    if (parts.gate.leases.length > 0) return;
    const key = parts.vault.document.keys.find((each) => each.tag === tag);
    const steps: (KeyState | undefined)[] = [...stepsToHold(key?.state ?? 'terminated')];
    if (key !== undefined && compromised.has(tag)) steps.unshift(undefined);
    for (const state of steps) {
      const { document } = parts.vault;
      const group = document.groups.find((each) => each.tag === key?.groupTag)?.name ?? '';
      const edit: KeyEdit = {
        ...{ group, name: key?.name ?? '', state, newName: undefined, description: undefined },
        ...{ moveTo: undefined, ...(state === undefined ? { compromised: true } : {}) },
      };
      const said = state === undefined ? 'compromised' : state;
      const deed = {
        actor: 'nbkms',
        action: 'HoldKey',
        object: `${tag} ${said}`,
        reason: 'on hold',
      };
      await change(parts, deed, (before, nowMs) => modifyKey(before, edit, parts.limits, nowMs));
    }
    // A prelive key is given to nobody; it stays on the list until it is deleted.
    if (key?.state !== 'prelive') await parts.holds.remove(tag);
  }
}

/** A secret that is not in the store yet, and what the record will say of it. */
interface MadeSecret {
  readonly secret: Buffer;
  /** Undefined: the tag is made of the secret. */
  readonly tag: string | undefined;
  readonly said: Pick<Material, 'origin' | 'derivationName' | 'profile' | 'unverified'>;
}

/** Wraps it in the turn of its change: the key protection key may be another one since it was made. */
async function added(
  parts: KeyParts,
  deed: Deed,
  request: Omit<NewKey, 'material'>,
  { secret, tag, said }: MadeSecret,
) {
  try {
    return await change(parts, deed, (document, nowMs) => {
      const proof = proofOf(secret);
      const material = { tag: tag ?? proof, proof, wrapped: parts.vault.wrap(secret), ...said };
      return addKey(document, { ...request, material }, parts.limits, nowMs);
    });
  } finally {
    secret.fill(0);
  }
}

async function newSecret(
  { vault, passphrases }: KeyParts,
  name: string,
  passphrase: SealedSecret | null,
): Promise<MadeSecret> {
  if (passphrase === null) {
    const said = { origin: 'random', derivationName: '', profile: 0, unverified: false } as const;
    return { secret: randomBytes(KEY_BYTES), tag: undefined, said };
  }
  const { profile } = passphrases.policy;
  const secret = await passphrases.derive({
    ...{ passphrase: passphrases.open(passphrase), purpose: 'data', label: name, profile },
    siteSalt: vault.header.fields.get(FIELD.siteSalt)!,
  });
  const said = { origin: 'passphrase', derivationName: name, profile, unverified: false } as const;
  return { secret, tag: undefined, said };
}

/** Errors: 1208, 1209, 1242 the passphrase makes another key than the tag's. */
async function recoverSecret(
  { vault, passphrases, nowMs }: KeyParts,
  request: {
    readonly name: string;
    readonly tag: string;
    readonly derivationName: string;
    readonly profile: number;
    readonly unverified: boolean;
    readonly passphrase: SealedSecret | null;
  },
  actor: string,
): Promise<MadeSecret> {
  const { tag, unverified, passphrase } = request;
  if (!/^[0-9a-f]{64}$/.test(tag)) throw new StatusError('kmsUsage', 'a tag has 64 hex digits');
  if (passphrase === null) throw new StatusError('kmsUsage', 'a passphrase is needed');
  passphrases.requirePatience(actor, nowMs());
  const derivationName = request.derivationName === '' ? request.name : request.derivationName;
  const profile = request.profile === 0 ? passphrases.policy.profile : request.profile;
  const secret = await passphrases.derive({
    ...{ passphrase: passphrases.open(passphrase), purpose: 'data', label: derivationName },
    ...{ profile, siteSalt: vault.header.fields.get(FIELD.siteSalt)! },
  });
  const isProven = proofOf(secret) === tag;
  if (!isProven && !unverified) {
    secret.fill(0);
    passphrases.noteWrong(actor, nowMs());
    const why = `this passphrase and the name ${derivationName} make another key than that of the tag`;
    throw new StatusError('passphraseWrong', why);
  }
  passphrases.noteRight(actor);
  const said = { origin: 'recovered', derivationName, profile, unverified: !isProven } as const;
  return { secret, tag, said };
}

function answer(changed: {
  readonly document: KeyStoreDocument;
  readonly key: KeyRecord;
  readonly demoted: KeyRecord | undefined;
  readonly changed: boolean;
  readonly generation: bigint;
}): Init<KeyChange> {
  const { document, key, demoted, generation } = changed;
  const group = document.groups.find((each) => each.tag === key.groupTag);
  const leavesNone =
    changed.changed && key.state === 'inactive' && group && !activeKeyOf(document, group);
  const none = `${group?.name} has no active key now: the next encrypted backup to it fails`;
  return {
    ...{ key: keyOnWire(document, key), changed: changed.changed, generation },
    ...(demoted === undefined ? {} : { demoted: keyOnWire(document, demoted) }),
    warnings: leavesNone ? [none] : [],
  };
}

function currentOf(document: KeyStoreDocument, key: KeyRecord): KeyRecord {
  return document.keys.find(({ tag }) => tag === key.tag) ?? key;
}

/** Errors: 1209. */
function stateNamed(state: string | undefined): KeyState | undefined {
  if (state === undefined) return undefined;
  const known = KEY_STATES.find((each) => each === state);
  if (known !== undefined) return known;
  throw new StatusError('kmsUsage', `${state} is no state: ${KEY_STATES.join(', ')}`);
}

function saidOf({ state, newName, moveTo, description }: KeyEdit): string {
  const said = [state && `state ${state}`, newName && `name ${newName}`, moveTo && `to ${moveTo}`];
  if (description !== undefined) said.push('description');
  return said
    .filter((each) => each !== undefined)
    .map((each) => ` ${each}`)
    .join(',');
}

export function deedOf(call: Call, object: string, asked: Asked | null): Deed {
  return { actor: actorOf(call, asked), action: call.method, object, reason: asked?.reason ?? '' };
}

/** The person, and the service that the person used. */
export function actorOf({ caller }: Call, asked: Asked | null): string {
  const service = caller.host === undefined ? caller.service : `${caller.service}@${caller.host}`;
  return asked === null || asked.requester === '' ? service : `${asked.requester} by ${service}`;
}
