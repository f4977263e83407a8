// Keys on their way to bptm: one segment's at a time, to the host whose grant is for it, each told to the audit trail
// before it leaves. Reading goes on while the store is quiesced or read-only.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Call, Client, Handlers } from '@tapestry/bus';
import { type DeriveSegmentRequest, type GrantRef, sealBytes } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { HEADER_HASH_BYTES, SALT_BYTES, segmentKeysOf } from './adapters/segment-keys.ts';
import type { UsageBook } from './adapters/usage-book.ts';
import { FIELD } from './core/container.ts';
import {
  admit,
  type HostDemand,
  noDemand,
  noteMiss,
  TAGS_AN_HOUR_ALERT,
} from './core/delivery-limits.ts';
import { mayDecrypt } from './core/key-state.ts';
import { activeKeyOf, groupNamed, type KeyRecord } from './core/key-store.ts';
import { deedOf } from './key-handlers.ts';
import { note, type StoreParts } from './key-service.ts';

export interface DeliveryParts extends StoreParts {
  readonly usage: UsageBook;
  readonly nbrb: Pick<Client<'nbrb'>, 'CheckGrant'>;
}

/** Who asks for what is not theirs, or for what there is not, may be trying keys. */
const MISSES: ReadonlySet<string> = new Set(['staleGrant', 'keyNotForHost', 'keyTagMissing']);
/** A tag or a segment that is none is a fault of ours, or an attack. */
const TAG = /^[0-9a-f]{64}$/;

export function deliveryHandlers(
  parts: DeliveryParts,
): Pick<Handlers<'nbkms'>, 'CheckKeyGroup' | 'DeriveSegment' | 'ReportUsage'> {
  const demands = new Map<string, HostDemand>();
  const { vault, usage } = parts;
  return {
    CheckKeyGroup: async ({ group }) => ({ tag: keyToWrite(parts, group).tag }),
    DeriveSegment: async (request, call) => {
      const host = call.caller.host ?? '';
      const demand = demands.get(host) ?? noDemand(parts.nowMs());
      const what = request.tag === '' ? request.group : request.tag;
      const deed = deedOf(call, what, { requester: '', reason: jobOf(request.grant) });
      try {
        demands.set(host, admitted(parts, demand, host, request.tag));
        const key = await keyFor(parts, request, call);
        const reply = sealed(parts, key, request);
        await note(parts, { ...deed, object: key.tag }, 'ok');
        return reply;
      } catch (error) {
        if (error instanceof StatusError && MISSES.has(error.status)) {
          demands.set(host, noteMiss(demands.get(host) ?? demand, parts.nowMs()));
        }
        await note(parts, deed, error instanceof StatusError ? error.status : 'failed');
        throw error;
      }
    },
    ReportUsage: async ({ tag, segment, stream, blocks, bytes }) => {
      if (!vault.document.keys.some((key) => key.tag === tag)) {
        throw new StatusError('keyTagMissing', `there is no key ${tag.slice(0, 16)}…`);
      }
      usage.note({ tag, segment, stream, blocks, bytes, atMs: parts.nowMs() });
      return {};
    },
  };
}

/** Errors: 1208. */
function admitted(parts: DeliveryParts, demand: HostDemand, host: string, tag: string): HostDemand {
  const answer = admit(demand, tag, parts.nowMs());
  if (answer.kind === 'refused') {
    parts.alert(`${host} was refused keys: ${answer.why}`);
    throw new StatusError('kmsRateLimited', answer.why);
  }
  if (answer.tagsThisHour === TAGS_AN_HOUR_ALERT && demand.tags.size < TAGS_AN_HOUR_ALERT) {
    parts.alert(`${host} has asked for ${TAGS_AN_HOUR_ALERT} keys within an hour`);
  }
  return answer.demand;
}

/** Errors: 902, 1209, 1210, 1216, 1221, 1228, 1232, 1271. */
async function keyFor(
  parts: DeliveryParts,
  request: DeriveSegmentRequest,
  { caller }: Call,
): Promise<KeyRecord> {
  const { grant, group, tag, headerHash, salt } = request;
  if (headerHash.length !== HEADER_HASH_BYTES) throw new StatusError('kmsUsage', 'no header hash');
  if (grant === null) throw new StatusError('staleGrant', 'a key is given to a grant alone');
  const { valid, mediaServer, pool, writes } = await parts.nbrb.CheckGrant({ grant });
  if (!valid)
    throw new StatusError('staleGrant', `grant ${grant.grantId} is not, or no longer, valid`);
  if (caller.host !== undefined && caller.host !== mediaServer) {
    throw new StatusError('keyNotForHost', `grant ${grant.grantId} is for ${mediaServer}`);
  }
  if (tag === '') {
    if (!writes || pool !== group) {
      throw new StatusError(
        'keyNotForHost',
        `grant ${grant.grantId} does not write to pool ${group}`,
      );
    }
    return keyToWrite(parts, group);
  }
  if (!TAG.test(tag) || salt.length !== SALT_BYTES)
    throw new StatusError('kmsUsage', 'no tag or salt');
  return keyToRead(parts, tag);
}

/** Errors: 1210, 1216, 1232. */
function keyToWrite({ vault, holds }: StoreParts, groupName: string): KeyRecord {
  const { document } = vault;
  const key = activeKeyOf(document, groupNamed(document, groupName));
  if (key === undefined) {
    const why = `key group ${groupName} has no active key: make or activate one with nbkmsutil`;
    throw new StatusError('keyGroupNoActive', why);
  }
  holds.requireFree(key.tag);
  return key;
}

/** Errors: 1221, 1228, 1232. */
function keyToRead({ vault, holds }: StoreParts, tag: string): KeyRecord {
  const wanted = Buffer.from(tag);
  const key = vault.document.keys.find((each) => timingSafeEqual(Buffer.from(each.tag), wanted));
  if (key === undefined) {
    const why = `no key has the tag ${tag}: make it again with nbkmsutil -recoverkey, or import it`;
    throw new StatusError('keyTagMissing', why);
  }
  holds.requireFree(tag);
  if (!mayDecrypt(key.state)) {
    const why = `key ${key.name} is ${key.state}: nothing is read with it until it is inactive again`;
    throw new StatusError('keyForbidsDecrypt', why);
  }
  return key;
}

function sealed({ vault }: StoreParts, key: KeyRecord, request: DeriveSegmentRequest) {
  const salt = request.tag === '' ? randomBytes(SALT_BYTES) : Buffer.from(request.salt);
  const groupKey = vault.secretOf(key);
  const { segmentKey, commitment } = segmentKeysOf(groupKey, salt, request.headerHash);
  const both = Buffer.concat([segmentKey, commitment]);
  const group = vault.document.groups.find(({ tag }) => tag === key.groupTag)?.name ?? '';
  try {
    const box = sealBytes(both, request.publicKey, 'kms segment');
    return { tag: key.tag, group, salt, sealed: box, recoveryHint: hintOf(vault, key) };
  } finally {
    for (const secret of [groupKey, segmentKey, both]) secret.fill(0);
  }
}

/** JSON, for a person with nothing but a tape and a passphrase. */
function hintOf(vault: StoreParts['vault'], { derivationName, profile }: KeyRecord): Buffer {
  if (derivationName === '') return Buffer.alloc(0);
  const siteSalt = vault.header.fields.get(FIELD.siteSalt)?.toString('hex');
  return Buffer.from(JSON.stringify({ derivationName, profile, siteSalt }));
}

function jobOf(grant: GrantRef | null): string {
  return grant?.attempt ? `job ${grant.attempt.jobId}, try ${grant.attempt.try}` : '';
}
