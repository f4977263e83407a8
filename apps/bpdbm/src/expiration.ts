// Handlers of bpexpdate: when images expire is changed, and volumes without images are given back by hand. Promises that a
// change names the images by at least one thing, and that an image that has expired already stays so: its removal may
// have begun.

import type { Handlers } from '@tapestry/bus';
import {
  type ChangeExpirationRequest,
  codec,
  type DeassignEmptyRequest,
  type Policy,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Image } from './adapters/image-rows.ts';
import { resultOf, type Tx } from './adapters/image-rows.ts';
import { returnEmptyVolumes } from './cleanup-volumes.ts';
import { tellContents } from './contents.ts';
import { expirationOf, NEVER_S, RETENTION_LEVEL_MAX } from './core/retention.ts';
import { nowS, type Parts } from './parts.ts';

type ExpirationHandlers = Pick<Handlers<'bpdbm'>, 'ChangeExpiration' | 'DeassignEmpty'>;

const LISTED_MAX = 1_000;

export function expirationHandlers(parts: Parts): ExpirationHandlers {
  return {
    ChangeExpiration: (request) => changeExpiration(parts, request),
    DeassignEmpty: (request, call) => deassignEmpty(parts, request, call.signal),
  };
}

interface Change {
  readonly backupId: string;
  readonly oldExpirationS: bigint;
  readonly expirationS: bigint;
}

async function changeExpiration(parts: Parts, request: ChangeExpirationRequest) {
  checkRequest(request);
  const unchanged: string[] = [];
  const now = nowS(parts);
  const changes = await parts.store.transaction(async (tx) => {
    const images = await matching(tx, request, now);
    const policies = new Map<string, Policy | undefined>();
    const found: Change[] = [];
    for (const image of images) {
      const wanted = await newExpiration(tx, request, image, policies);
      const expirationS = typeof wanted === 'bigint' && wanted < now ? now : wanted;
      const backupId = image.backup_id;
      if (typeof expirationS === 'string') unchanged.push(`${backupId}: ${expirationS}`);
      else found.push({ backupId, oldExpirationS: image.expiration_s, expirationS });
    }
    if (!request.preview) await apply(parts, tx, request, found);
    return found;
  });
  if (changes.length === 0 && unchanged.length === 0) {
    throw new StatusError('notFound', 'no unexpired image matches');
  }
  if (!request.preview) {
    const { requester } = request;
    parts.log.info({ requester, images: changes.length }, 'the expiration of images was changed');
  }
  return {
    images: changes.slice(0, LISTED_MAX),
    count: BigInt(changes.length),
    unchanged: unchanged.slice(0, LISTED_MAX),
  };
}

/** Errors: 20, 227. */
function checkRequest(request: ChangeExpirationRequest): void {
  const { backupId, mediaId, client, policy, schedule, recalculate, expirationS } = request;
  const named = [backupId, mediaId, client, policy, schedule].some((name) => name !== '');
  if (!named && !recalculate) {
    throw new StatusError('invalidParameter', 'say which images: none is named');
  }
  if (request.copy > 1) throw new StatusError('notFound', `no image has a copy ${request.copy}`);
  if (expirationS > NEVER_S) {
    throw new StatusError('invalidParameter', 'an image expires in 2038 at the latest, or never');
  }
  if (request.retentionLevel > RETENTION_LEVEL_MAX) {
    const why = `there is no retention level ${request.retentionLevel}`;
    throw new StatusError('invalidParameter', why);
  }
}

/** Valid and not expired, locked. */
async function matching(tx: Tx, request: ChangeExpirationRequest, now: bigint) {
  let query = tx
    .selectFrom('images')
    .selectAll()
    .where('state', '=', 'valid')
    .where('expiration_s', '>', now)
    .orderBy('backup_id')
    .forUpdate();
  for (const [column, value] of [
    ['backup_id', request.backupId],
    ['client', request.client],
    ['policy', request.policy],
    ['schedule', request.schedule],
  ] as const) {
    if (value !== '') query = query.where(column, '=', value);
  }
  if (request.scheduleTypes.length > 0) {
    query = query.where('schedule_type', 'in', request.scheduleTypes);
  }
  if (request.startS > 0n) query = query.where('backup_time_s', '>=', request.startS);
  if (request.endS > 0n) query = query.where('backup_time_s', '<=', request.endS);
  if (request.mediaId !== '') {
    query = query.where('backup_id', 'in', (eb) =>
      eb.selectFrom('image_media').select('backup_id').where('media_id', '=', request.mediaId),
    );
  }
  const found = await query.execute();
  const { mediaServer } = request;
  if (mediaServer === '') return found;
  return found.filter((image) =>
    resultOf(image)?.fragments.some((fragment) => fragment.mediaServer === mediaServer),
  );
}

/** Or, in words, why it stays as it is. */
async function newExpiration(
  tx: Tx,
  request: ChangeExpirationRequest,
  image: Image,
  policies: Map<string, Policy | undefined>,
): Promise<bigint | string> {
  if (!request.recalculate) return request.expirationS;
  if (request.withRetentionLevel) return expirationOf(request.retentionLevel, image.backup_time_s);
  if (!policies.has(image.policy)) policies.set(image.policy, await readPolicy(tx, image.policy));
  const policy = policies.get(image.policy);
  const schedule = policy?.schedules.find(({ name }) => name === image.schedule);
  if (schedule === undefined) {
    return `policy ${image.policy} has no schedule ${image.schedule} any more`;
  }
  return expirationOf(schedule.retentionLevel, image.backup_time_s);
}

async function readPolicy(tx: Tx, name: string): Promise<Policy | undefined> {
  const row = await tx
    .selectFrom('policies')
    .select('policy')
    .where('name', '=', name)
    .executeTakeFirst();
  return row === undefined ? undefined : codec('Policy').decode(row.policy);
}

async function apply(
  parts: Parts,
  tx: Tx,
  { keepOnDisk }: ChangeExpirationRequest,
  changes: readonly Change[],
): Promise<void> {
  for (const { backupId, expirationS } of changes) {
    await tx
      .updateTable('images')
      .set({ expiration_s: expirationS, ...(keepOnDisk ? { keep_on_disk: true } : {}) })
      .where('backup_id', '=', backupId)
      .execute();
  }
  if (changes.length === 0) return;
  const ids = changes.map(({ backupId }) => backupId);
  const media = await tx
    .selectFrom('image_media')
    .select('media_id')
    .distinct()
    .where('backup_id', 'in', ids)
    .execute();
  await tellContents(
    parts,
    tx,
    media.map((row) => row.media_id),
  );
}

async function deassignEmpty(
  parts: Parts,
  { mediaId, requester }: DeassignEmptyRequest,
  signal: AbortSignal,
) {
  const options = { signal, vouched: true, ...(mediaId === '' ? {} : { mediaId }) };
  const { returned, kept } = await returnEmptyVolumes(parts, options);
  parts.log.info({ requester, returned: returned.length }, 'empty volumes were given back by hand');
  return { returned: [...returned], kept: [...kept] };
}
