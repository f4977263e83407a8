// Between rows of the image database and what the rest of bpdbm speaks.

import {
  type Attempt,
  codec,
  type ImageResult,
  type ImageRow,
  type Init,
  type ScheduleType,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { CatalogImage } from '../core/chains.ts';
import type { ImageDb, ImagesTable } from './schema.ts';

export type Image = Selectable<ImagesTable>;
export type Tx = Transaction<ImageDb>;

export function attemptKey({ jobId, try: attempt, step }: Attempt): string {
  return `${jobId}/${attempt}/${step}`;
}

export function isOf(image: Image, attempt: Attempt | null): boolean {
  if (attempt === null) return false;
  return image.job_id === attempt.jobId && image.try === attempt.try && image.step === attempt.step;
}

export function resultOf(image: Pick<Image, 'result'>): ImageResult | undefined {
  return image.result === null ? undefined : codec('ImageResult').decode(image.result);
}

export async function findImage(db: Kysely<ImageDb>, backupId: string): Promise<Image> {
  const image = await db
    .selectFrom('images')
    .selectAll()
    .where('backup_id', '=', backupId)
    .executeTakeFirst();
  if (image === undefined) {
    throw new StatusError('notFound', `there is no image ${backupId}`, { backupId });
  }
  return image;
}

/** Changes that depend on the images of one path run one after the other, in every instance. */
export async function lockPath(tx: Tx, client: string, path: string): Promise<void> {
  const key = JSON.stringify(['bpdbm', client, path]);
  await sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(tx);
}

export const CATALOG_COLUMNS = [
  ...(['backup_id', 'policy', 'level', 'backup_time_s', 'expiration_s'] as const),
  ...(['base_backup_id', 'butype', 'path'] as const),
] as const;

export function catalogImage(row: Pick<Image, (typeof CATALOG_COLUMNS)[number]>): CatalogImage {
  return {
    ...{ backupId: row.backup_id, policy: row.policy, level: row.level, path: row.path },
    ...{ backupTimeS: row.backup_time_s, expirationS: row.expiration_s, butype: row.butype },
    baseBackupId: row.base_backup_id,
  };
}

export function imageRow(image: Image): Init<ImageRow> {
  const result = resultOf(image);
  return {
    ...{ backupId: image.backup_id, client: image.client, policy: image.policy },
    ...{ policyType: image.policy_type, schedule: image.schedule },
    scheduleType: image.schedule_type as ScheduleType,
    ...{ retentionLevel: image.retention_level, backupTimeS: image.backup_time_s },
    ...{ elapsedS: image.elapsed_s, bytes: image.bytes, files: image.files, path: image.path },
    expirationS: image.state === 'valid' ? image.expiration_s : 0n,
    ...{ level: image.level, baseBackupId: image.base_backup_id, state: image.state },
    attempt: { jobId: image.job_id, try: image.try, step: image.step },
    ...{ fragments: result?.fragments ?? [], env: result?.env ?? [] },
    ...{ butype: image.butype, fileList: result?.fileList ?? null, creator: image.owner },
    ...{ keyword: image.keyword, storageUnit: image.storage_unit },
  };
}
