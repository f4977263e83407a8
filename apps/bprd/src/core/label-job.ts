// A wish for a label as the job that nbjm gets: may this volume be labelled at all? What is on the tape itself is looked at
// under the grant, by bptm.

import type { Init, JobSpec, SubmitLabelRequest, VolumeRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Rights } from './admission.ts';
import { checkId, checkRights } from './validate.ts';

const CLEANING_SUFFIX = '_CLN';
/** bpdbjobs' field 21: asked for by a user. */
const USER_INITIATED = 2;
/** Before the restores and backups of a queue: somebody stands beside it. */
const PRIORITY = 99_999;

/** Errors: 133, 117, 171. */
export function validateLabel({ requestId, label }: SubmitLabelRequest, rights: Rights): void {
  checkRights(rights);
  checkId(requestId);
  if (label === null || label.mediaId === '' || label.density === '') {
    throw new StatusError('invalidRequest', 'name the volume and its density');
  }
  if (!/^[A-Za-z0-9]{1,6}$/.test(label.mediaId)) {
    throw new StatusError('mediaIdTooLong', `'${label.mediaId}' is no media id`);
  }
}

/** Errors: 20 a cleaning cartridge, 98 another pool, 168 unexpired images, 2031, 2042. */
export function labelJob(
  { label, erase, pool, requester }: SubmitLabelRequest,
  row: VolumeRow | undefined,
): Init<JobSpec> {
  const volume = row?.volume ?? null;
  if (row === undefined || volume === null) {
    const detail = `the volume ${label?.mediaId} is not in the EMM database: add it first (vmadd)`;
    throw new StatusError('mediaNotDefined', detail);
  }
  const { mediaId } = volume;
  if (row.mediaType.endsWith(CLEANING_SUFFIX)) {
    throw new StatusError('invalidParameter', `${mediaId} is a cleaning cartridge`);
  }
  if (volume.density !== label?.density) {
    const detail = `${mediaId} is of density ${volume.density}, not ${label?.density}`;
    throw new StatusError('densityMismatch', detail);
  }
  if (pool !== '' && pool !== volume.pool) {
    const detail = `${mediaId} is in pool ${volume.pool}, not in ${pool}`;
    throw new StatusError('mediaRequestFailed', detail);
  }
  if (volume.assignedMs > 0n) {
    const detail = `${mediaId} is assigned (${row.images} images): expire them first`;
    throw new StatusError('cannotOverwriteMedia', detail);
  }
  return {
    type: erase ? 'JOB_TYPE_ERASE' : 'JOB_TYPE_LABEL',
    ...{ owner: requester?.user ?? '', subtype: USER_INITIATED, priority: PRIORITY },
    label: { ...label, mediaId },
  };
}
