// The secret of each key under the key protection key: wrapped (RFC 3394), and bound by a MAC to what the record says
// of it in public, so that nobody can give a key another's name, group or state.

import {
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { StatusError } from '@tapestry/status';
import type { KeyRecord } from '../core/key-store.ts';
import { unwrapKey, wrapKey } from './key-wrap.ts';
import { KEY_BYTES, type Secret } from './sealing.ts';

/** What is made of the key protection key once, and then used for every record. */
export interface RecordKeys {
  readonly wrap: KeyObject;
  readonly mac: KeyObject;
}

export function recordKeysOf(kpk: Secret): RecordKeys {
  const derive = (info: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', kpk, '', info, KEY_BYTES)));
  return { wrap: derive('nbkms-rec-wrap-v1'), mac: derive('nbkms-rec-mac-v1') };
}

/** 64 hex digits that only this key makes, and that say nothing about it: the tag of our own keys. */
export function proofOf(secret: Buffer): string {
  return createHmac('sha256', secret).update('nbkms-key-tag-v1').digest('hex');
}

export function wrapSecret(keys: RecordKeys, secret: Buffer): string {
  return wrapKey(keys.wrap, secret).toString('base64');
}

/** The caller overwrites it after use. Errors: 1253 the record was changed by somebody. */
export function unwrapSecret(keys: RecordKeys, record: KeyRecord): Buffer {
  if (!isGenuine(keys, record)) throw tampered(record);
  let secret: Buffer;
  try {
    secret = unwrapKey(keys.wrap, Buffer.from(record.wrapped, 'base64'));
  } catch (error) {
    throw tampered(record, error);
  }
  if (proofOf(secret) === record.proof) return secret;
  secret.fill(0);
  throw tampered(record);
}

export function isGenuine(keys: RecordKeys, record: KeyRecord): boolean {
  const [given, right] = [record.mac, macOf(keys, record)].map((mac) => Buffer.from(mac, 'base64'));
  return given!.length === right!.length && timingSafeEqual(given!, right!);
}

/** The record as it may be stored. */
export function withMac(keys: RecordKeys, record: KeyRecord): KeyRecord {
  return { ...record, mac: macOf(keys, record) };
}

function macOf(keys: RecordKeys, record: KeyRecord): string {
  const { mac: _, ...said } = record;
  const canonical = Object.entries(said).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHmac('sha256', keys.mac).update(JSON.stringify(canonical)).digest('base64');
}

function tampered(record: KeyRecord, cause?: unknown): StatusError {
  const why = `key ${record.name} (${record.tag.slice(0, 16)}…) was changed by somebody`;
  return new StatusError('kmsFileTampered', why, {}, { cause });
}
