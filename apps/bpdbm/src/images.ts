// Handlers for the life of an image: provisional while its attempt runs, then valid, or gone. Promises that a valid
// image has every fragment and its file list, that an incremental builds on valid images only, and that repeats and
// late messages change nothing.

import type { Handlers } from '@tapestry/bus';
import {
  type Attempt,
  codec,
  type ImagePlan,
  type ImageResult,
  type JobSpec,
  type OpenImageRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { answerOnce } from '@tapestry/store';
import {
  attemptKey,
  CATALOG_COLUMNS,
  catalogImage,
  findImage,
  type Image,
  isOf,
  lockPath,
  resultOf,
  type Tx,
} from './adapters/image-rows.ts';
import { noteGone, wasRemoved } from './adapters/removal-rows.ts';
import type { ImageDb } from './adapters/schema.ts';
import { tellContents } from './contents.ts';
import { chooseLevel, type LevelChoice } from './core/level.ts';
import { pathKey } from './core/policy.ts';
import { expirationOf, RETENTION_LEVEL_MAX } from './core/retention.ts';
import { findFlaw } from './core/validation.ts';
import { nowS, type Parts } from './parts.ts';

type ImageHandlers = Pick<
  Handlers<'bpdbm'>,
  'OpenImage' | 'MarkUnsure' | 'ValidateImage' | 'AbandonImage'
>;

/** What is kept for an attempt, so that a repeat gets the same and one that comes too late gets nothing. */
type Opened = { readonly image: ImagePlan } | { readonly over: true };

export function imageHandlers(parts: Parts): ImageHandlers {
  return {
    OpenImage: (request) => openImage(parts, request),
    MarkUnsure: ({ attempt, backupId }) => markUnsure(parts, attempt, backupId),
    ValidateImage: ({ attempt, result }) => validateImage(parts, attempt, result),
    AbandonImage: async ({ attempt, backupId }) => {
      if (attempt === null) throw new StatusError('invalidRequest', 'no attempt is named');
      await abandonImage(parts, attempt, backupId);
      return {};
    },
  };
}

async function openImage(parts: Parts, request: OpenImageRequest) {
  const { attempt, job } = request;
  if (attempt === null || job?.backup == null) {
    throw new StatusError('invalidRequest', 'an image is opened for the attempt of a backup');
  }
  if (job.client === '' || !job.backup.path.startsWith('/')) {
    throw new StatusError('invalidRequest', 'an image is of one client and one path');
  }
  if (job.backup.retentionLevel > RETENTION_LEVEL_MAX) {
    throw new StatusError(
      'invalidParameter',
      `there is no retention level ${job.backup.retentionLevel}`,
    );
  }
  const image = await parts.store.transaction(async (tx) => {
    const key = `OpenImage/${attemptKey(attempt)}`;
    const opened = await answerOnce<ImageDb, Opened>(tx, key, async () => ({
      image: await insertImage(parts, tx, attempt, request, job),
    }));
    // It was opened, and abandoned since: this is a repeat that comes too late.
    if ('image' in opened && (await isThere(tx, opened.image.backupId))) return opened.image;
    throw new StatusError('staleGrant', `try ${attempt.try} of job ${attempt.jobId} is over`);
  });
  return { image };
}

async function isThere(tx: Tx, backupId: string): Promise<boolean> {
  const found = await tx
    .selectFrom('images')
    .select('backup_id')
    .where('backup_id', '=', backupId)
    .executeTakeFirst();
  return found !== undefined;
}

async function insertImage(
  parts: Parts,
  tx: Tx,
  attempt: Attempt,
  request: OpenImageRequest,
  job: JobSpec,
): Promise<ImagePlan> {
  const known = await findOpen(tx, attempt);
  if (known !== undefined) return known;
  const { client } = job;
  const backup = job.backup!;
  const path = pathKey(backup.path);
  await lockPath(tx, client, path);
  const { level, base, reason } = await levelFor(parts, tx, job, path);
  const backupTimeS = await freeSecond(tx, client, nowS(parts));
  const backupId = `${client}_${backupTimeS}`;
  const expirationS = expirationOf(backup.retentionLevel, backupTimeS);
  const baseBackupId = base?.backupId ?? '';
  const butype = base?.butype ?? typeOf(job);
  if (reason !== '' && job.scheduleType !== 'SCHEDULE_TYPE_FULL') {
    parts.log.info({ backupId, path, reason }, 'an incremental backup runs as a full one');
  }
  await tx
    .insertInto('images')
    .values({
      ...{ backup_id: backupId, client, backup_time_s: backupTimeS, policy: job.policy },
      ...{ policy_type: job.policyType, schedule: job.schedule, schedule_type: job.scheduleType },
      ...{ retention_level: backup.retentionLevel, expiration_s: expirationS, path, level },
      ...{ base_backup_id: baseBackupId, butype, state: 'provisional' as const },
      ...{ job_id: attempt.jobId, try: attempt.try, step: attempt.step },
      ...{ storage_unit: request.storageUnit, owner: job.owner, keyword: job.keyword },
      ...{
        bytes: 0n,
        files: 0n,
        elapsed_s: 0n,
        result: null,
        list_sha256: null,
        keep_on_disk: false,
      },
      list_size_bytes: 0n,
    })
    .execute();
  return planOf(tx, await findImage(tx, backupId));
}

/** The image of this attempt, when its answer is so old that it was forgotten. */
async function findOpen(tx: Tx, attempt: Attempt): Promise<ImagePlan | undefined> {
  const image = await tx
    .selectFrom('images')
    .selectAll()
    .where('job_id', '=', attempt.jobId)
    .where('try', '=', attempt.try)
    .where('step', '=', attempt.step)
    .executeTakeFirst();
  return image === undefined ? undefined : await planOf(tx, image);
}

async function planOf(tx: Tx, image: Image): Promise<ImagePlan> {
  const { base_backup_id: baseBackupId, level, butype } = image;
  return {
    ...{ backupId: image.backup_id, backupTimeS: image.backup_time_s, level, butype },
    ...{ expirationS: image.expiration_s, baseBackupId },
    baseEnv: baseBackupId === '' ? [] : await envOf(tx, baseBackupId),
  };
}

/** NDMP type that the policy sets; empty when the filer's own choice is as good. */
function typeOf(job: JobSpec): string {
  return job.backup?.env.find(({ name }) => name === 'TYPE')?.value ?? '';
}

async function levelFor(parts: Parts, tx: Tx, job: JobSpec, path: string): Promise<LevelChoice> {
  const [images, dumpDates] = await Promise.all([
    tx
      .selectFrom('images')
      .select(CATALOG_COLUMNS)
      .where('client', '=', job.client)
      .where('path', '=', path)
      .where('state', '=', 'valid')
      .execute(),
    tx
      .selectFrom('dump_dates')
      .selectAll()
      .where('client', '=', job.client)
      .where('path', '=', path)
      .execute(),
  ]);
  return chooseLevel({
    ...{ scheduleType: job.scheduleType, policy: job.policy, butype: typeOf(job) },
    images: images.map(catalogImage),
    dumpDates: dumpDates.map(({ level, backup_id, at_s, unsure }) => ({
      ...{ level, backupId: backup_id, atS: at_s, unsure },
    })),
    nowS: nowS(parts),
  });
}

/** A backup id is client and second: the first second from now on that no image of the client has. */
async function freeSecond(tx: Tx, client: string, now: bigint): Promise<bigint> {
  // Several paths of a client open at the same time: one after the other takes its second.
  await lockPath(tx, client, '');
  const { last } = await tx
    .selectFrom('images')
    .select((eb) => eb.fn.max('backup_time_s').as('last'))
    .where('client', '=', client)
    .where('backup_time_s', '>=', now)
    .executeTakeFirstOrThrow();
  return last === null ? now : BigInt(last) + 1n;
}

async function envOf(tx: Tx, backupId: string) {
  return resultOf(await findImage(tx, backupId))?.env ?? [];
}

/** The provisional image of this attempt, locked. Errors: 227 none, 902 it is another attempt's. */
async function lockOwn(tx: Tx, attempt: Attempt | null, backupId: string): Promise<Image> {
  const { client, path } = await findImage(tx, backupId);
  await lockPath(tx, client, path);
  const image = await findImage(tx, backupId);
  if (!isOf(image, attempt)) {
    throw new StatusError('staleGrant', `image ${backupId} belongs to another attempt`);
  }
  return image;
}

async function markUnsure(parts: Parts, attempt: Attempt | null, backupId: string) {
  await parts.store.transaction(async (tx) => {
    const { client, path, level, backup_time_s, state } = await lockOwn(tx, attempt, backupId);
    if (state !== 'provisional') return;
    const mark = { backup_id: backupId, at_s: backup_time_s, unsure: true };
    await tx
      .insertInto('dump_dates')
      .values({ client, path, level, ...mark })
      .onConflict((conflict) => conflict.columns(['client', 'path', 'level']).doUpdateSet(mark))
      .execute();
  });
  return {};
}

async function validateImage(parts: Parts, attempt: Attempt | null, result: ImageResult | null) {
  if (result === null) throw new StatusError('invalidRequest', 'there is no result to validate');
  const { backupId } = result;
  await parts.store.transaction(async (tx) => {
    // A repeat that comes so late that the image has expired since.
    if (await wasRemoved(tx, backupId)) return;
    const image = await lockOwn(tx, attempt, backupId);
    if (image.state !== 'provisional') return;
    const { list_sha256, list_size_bytes } = image;
    const delivered =
      list_sha256 === null ? undefined : { sha256: list_sha256, sizeBytes: list_size_bytes };
    const flaw = findFlaw(result, delivered);
    if (flaw !== undefined) {
      throw new StatusError('imageInconsistent', `image ${backupId}: ${flaw}`, { backupId });
    }
    await tx
      .updateTable('images')
      .set({
        ...{ state: 'valid', bytes: result.bytes, files: result.files },
        ...{ elapsed_s: result.elapsedMs / 1_000n, butype: result.butype || image.butype },
        result: Buffer.from(codec('ImageResult').encode(result)),
      })
      .where('backup_id', '=', backupId)
      .execute();
    const media = [...new Set(result.fragments.map((fragment) => fragment.mediaId))];
    await tx
      .insertInto('image_media')
      .values(media.map((mediaId) => ({ backup_id: backupId, media_id: mediaId })))
      .execute();
    await tx.deleteFrom('tickets').where('backup_id', '=', backupId).execute();
    await settleDumpDates(tx, image);
    await tellValidated(parts, tx, image);
    await tellContents(parts, tx, media);
  });
  return {};
}

/**
 * If the filer recorded this dump, its date is now sure, and it replaces every older one at its level and above: no
 * later dump would be based on those. If it did not (UPDATE=n), its memory is as it was.
 */
async function settleDumpDates(tx: Tx, image: Image): Promise<void> {
  const { client, path, level, backup_id, backup_time_s } = image;
  const settled = await tx
    .updateTable('dump_dates')
    .set({ unsure: false })
    .where('client', '=', client)
    .where('path', '=', path)
    .where('backup_id', '=', backup_id)
    .returning('level')
    .execute();
  if (settled.length === 0) return;
  await tx
    .deleteFrom('dump_dates')
    .where('client', '=', client)
    .where('path', '=', path)
    .where('level', '>=', level)
    .where('backup_id', '<>', backup_id)
    .where('at_s', '<', backup_time_s)
    .execute();
}

async function tellValidated(parts: Parts, tx: Tx, image: Image): Promise<void> {
  const { backup_id: backupId, policy, schedule, client, path } = image;
  await parts.effects.enqueue(tx, {
    kind: 'imageValidated',
    key: `image/${backupId}/valid`,
    payload: {
      ...{ backupId, policy, schedule, client, path, backupTimeS: image.backup_time_s },
      scheduleType: image.schedule_type as JobSpec['scheduleType'],
    },
  });
}

/** The attempt is over. An empty backup id means whatever image it had, also one that is still to be opened. */
export async function abandonImage(
  parts: Parts,
  attempt: Attempt,
  backupId: string,
): Promise<void> {
  const gone = await parts.store.transaction(async (tx) => {
    // An OpenImage that is still on its way must find that it came too late.
    await answerOnce(
      tx,
      `OpenImage/${attemptKey(attempt)}`,
      async (): Promise<Opened> => ({ over: true }),
    );
    let query = tx
      .deleteFrom('images')
      .where('state', '=', 'provisional')
      .where('job_id', '=', attempt.jobId)
      .where('try', '=', attempt.try)
      .where('step', '=', attempt.step);
    if (backupId !== '') query = query.where('backup_id', '=', backupId);
    const found = await query.returning(['backup_id', 'client', 'list_sha256']).executeTakeFirst();
    if (found !== undefined) {
      const image = { backup_id: found.backup_id, kept: false };
      await noteGone(tx, [image], { wasValid: false, atS: nowS(parts) });
    }
    return found;
  });
  // A crash before this leaves a file that nobody knows: the sweep finds it.
  if (gone?.list_sha256 == null) return;
  const { client, backup_id, list_sha256 } = gone;
  await parts.files.remove({ client, backupId: backup_id, sha256: list_sha256.toString('hex') });
}
