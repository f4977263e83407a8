// The store's records as the bus carries them: all that is public, no secret, wrapped or not.

import type { FileState, Init, Key, KeyGroup, KmsInfo, QuiesceCall } from '@tapestry/contracts';
import type { UsageBook } from './adapters/usage-book.ts';
import { FIELD, FLAG, FORMAT_VERSION, textField } from './core/container.ts';
import {
  CIPHER,
  type GroupSummary,
  KEY_STATES,
  type KeyRecord,
  type KeyStoreDocument,
} from './core/key-store.ts';
import type { Lease } from './core/leases.ts';
import type { StoreParts } from './key-service.ts';

export function groupOnWire({ group, keys, activeTag }: GroupSummary): Init<KeyGroup> {
  const { name, cipher, description, tag, createdMs, modifiedMs } = group;
  return {
    ...{ name, cipher, description, tag, keys, activeTag },
    ...{ createdMs: BigInt(createdMs), modifiedMs: BigInt(modifiedMs) },
  };
}

export function keyOnWire(
  document: KeyStoreDocument,
  key: KeyRecord,
  usage?: UsageBook,
): Init<Key> {
  const { name, tag, state, description, origin, derivationName, profile } = key;
  const group = document.groups.find((each) => each.tag === key.groupTag)?.name ?? '';
  return {
    ...{ name, tag, state, description, origin, derivationName, profile, group },
    ...(usage === undefined ? {} : { usage: usage.of(key.tag) }),
    ...{ compromised: key.compromised, unverified: key.unverified },
    ...{ createdMs: BigInt(key.createdMs), modifiedMs: BigInt(key.modifiedMs) },
  };
}

export function callOnWire(lease: Lease): Init<QuiesceCall> {
  const { id, name, by, startedMs, endsMs, generation } = lease;
  return {
    ...{ id, name, by, startedMs: BigInt(startedMs), endsMs: BigInt(endsMs) },
    generation: BigInt(generation),
  };
}

export function infoOnWire(parts: StoreParts, publicKey: Uint8Array): Init<KmsInfo> {
  const { vault, gate, holds, audit } = parts;
  const { document, header } = vault;
  const { fields, flags, generation, epoch, storeId } = header;
  const hex = (field: number) => fields.get(field)?.toString('hex') ?? '';
  const byState = Object.fromEntries(
    KEY_STATES.map((state) => [state, document.keys.filter((key) => key.state === state).length]),
  );
  return {
    ...{ ready: true, storeVersion: FORMAT_VERSION, cipher: CIPHER, generation, epoch, byState },
    ...{ createdMs: BigInt(document.createdMs), modifiedMs: header.writtenMs, publicKey },
    ...{ keyGroups: document.groups.length, keys: document.keys.length },
    ...{ quiesceCalls: gate.leases.length, calls: gate.leases.map(callOnWire) },
    ...{ hmkId: textField(fields, FIELD.hmkId), kpkId: textField(fields, FIELD.kpkId) },
    ...{ hmkFingerprint: hex(FIELD.hmkFingerprint), kpkFingerprint: hex(FIELD.kpkFingerprint) },
    hmkFromPassphrase: (flags & FLAG.hmkFromPassphrase) !== 0,
    kpkFromPassphrase: (flags & FLAG.kpkFromPassphrase) !== 0,
    ...{ storeId: storeId.toString('hex'), siteSalt: hex(FIELD.siteSalt) },
    ...{ readOnly: vault.readOnly, heldTags: [...holds.tags] },
    ...{ auditSeq: BigInt(audit.head.seq), auditHash: audit.head.hash },
  };
}

export function fileOnWire(path: string, bytes: Buffer, sha256: string): Init<FileState> {
  return { path, sizeBytes: BigInt(bytes.length), sha256 };
}
