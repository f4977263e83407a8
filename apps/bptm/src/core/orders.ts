// From an OpenStream request to the order for a drive process: what of the grant, job and image goes onto the medium.

import {
  codec,
  type FragmentLayout,
  type Grant,
  type JobSpec,
  type OpenStreamRequest,
  type ScheduleType,
  type VolumeSpec,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { DiskUnit, LabelOrder, Order, StreamFrame } from '../drive-process/messages.ts';

/** The copy that a backup writes. */
export const FIRST_COPY = 1;
const DEFAULT_BLOCK_SIZE_BYTES = 262_144;
/** Pools whose name begins so hold encrypted volumes only. */
const ENCRYPTED_POOL = 'ENCR_';
const SCHEDULE_NUMBERS: Readonly<Record<ScheduleType, number>> = {
  SCHEDULE_TYPE_FULL: 0,
  SCHEDULE_TYPE_INCR: 1,
  SCHEDULE_TYPE_CINC: 4,
};

/** What the request alone cannot say. */
export type OrderFrame = Pick<
  StreamFrame,
  'drivePath' | 'mediaServer' | 'connection' | 'ringBytes' | 'driveModules' | 'iscsi' | 'leaseMs'
> & {
  readonly software: string;
  /** For a label: volumes that hold unexpired images. */
  readonly kept: readonly string[];
};

/** Errors: 133 the request does not name all that its mode needs; 16 an encrypted pool. */
export function checkRequest(request: OpenStreamRequest): Grant {
  const { grant, job, image, fragments } = request;
  const onTape = grant?.volume != null && grant.drive != null;
  if (!grant?.attempt || !job || (!onTape && grant.diskPath === '')) {
    throw new StatusError('invalidRequest', 'the stream lacks its grant, volume, drive or job');
  }
  if (isLabel(request)) return checkLabel(grant, job);
  if (grant.mode === 'DRIVE_MODE_WRITE' && !image) {
    throw new StatusError('invalidRequest', 'a stream to write lacks its image');
  }
  if (grant.mode === 'DRIVE_MODE_READ' && fragments.length === 0) {
    throw new StatusError('noFragments', 'a stream to read names no fragments');
  }
  const pool = grant.volume?.pool ?? '';
  if (grant.mode === 'DRIVE_MODE_WRITE' && pool.startsWith(ENCRYPTED_POOL)) {
    throw new StatusError(
      'notImplemented',
      `pool ${pool} is for encrypted volumes, and this release writes none: ` +
        'nothing is written in clear there',
    );
  }
  checkLayout(grant, fragments);
  if (grant.mode === 'DRIVE_MODE_UNSPECIFIED') {
    throw new StatusError('invalidRequest', 'the grant says neither read nor write');
  }
  return grant;
}

/** A job that labels or erases its volume. */
export function isLabel({ job }: OpenStreamRequest): boolean {
  return job?.type === 'JOB_TYPE_LABEL' || job?.type === 'JOB_TYPE_ERASE';
}

function checkLabel(grant: Grant, { label }: JobSpec): Grant {
  const isWhole = grant.mode === 'DRIVE_MODE_WRITE' && grant.volume?.mediaId === label?.mediaId;
  if (isWhole && grant.volume !== null) return grant;
  throw new StatusError('invalidRequest', 'the grant is not for the volume that gets a label');
}

/** Who wrote an image, and what reads it. */
const READERS: Readonly<Record<FragmentLayout, readonly [string, string]>> = {
  FRAGMENT_LAYOUT_BLOCKS: ['a media server', 'a drive of a media server'],
  FRAGMENT_LAYOUT_MOVER: ['an NDMP host', 'a drive of an NDMP host'],
  FRAGMENT_LAYOUT_DISK: ['a disk storage unit', 'that disk'],
};

function checkLayout(grant: Grant, fragments: OpenStreamRequest['fragments']): void {
  const onHost = grant.drive !== null && grant.drive.ndmpHost !== '';
  const tape = onHost ? 'FRAGMENT_LAYOUT_MOVER' : 'FRAGMENT_LAYOUT_BLOCKS';
  const layout = grant.diskPath === '' ? tape : 'FRAGMENT_LAYOUT_DISK';
  const other = fragments.find((fragment) => fragment.layout !== layout);
  if (other === undefined) return;
  const [writer, reader] = READERS[other.layout];
  const who = other.layout === 'FRAGMENT_LAYOUT_DISK' ? 'it lies on' : 'it was written by';
  const detail = `${who} ${writer} and is read by ${reader} only`;
  throw new StatusError('storageUnitIncompatible', detail);
}

/** Null for a tape. */
export function diskOf({ grant }: OpenStreamRequest): DiskUnit | null {
  if (grant === null || grant.diskPath === '') return null;
  return {
    dir: grant.diskPath,
    highWaterPercent: grant.diskHighWaterPercent,
    lowWaterPercent: grant.diskLowWaterPercent,
  };
}

/** On a disk there is one: the unit itself. */
function volumeOf({ volume, storageUnit }: Grant): VolumeSpec {
  return volume ?? codec('VolumeSpec').decode(codec('VolumeSpec').encode({ mediaId: storageUnit }));
}

/** A drive that hangs on an NDMP host, whose mover moves the data. */
export interface MoverDevice {
  readonly ndmpHost: string;
  /** As the host calls it. */
  readonly device: string;
  readonly writes: boolean;
  /** The data service is the same host's. */
  readonly local: boolean;
}

/** Null for a drive of this media server. */
export function moverDeviceOf(
  { grant, job }: OpenStreamRequest,
  drivePath: string,
): MoverDevice | null {
  const ndmpHost = grant?.drive?.ndmpHost ?? '';
  if (ndmpHost === '' || !job) return null;
  const local = ndmpHost === ndmpHostOf(job);
  return { ndmpHost, device: drivePath, writes: grant?.mode === 'DRIVE_MODE_WRITE', local };
}

/** The NDMP host whose data service is on the other end of the connection. */
export function ndmpHostOf(job: JobSpec): string {
  return job.restore?.destClient || job.client;
}

export function orderOf(request: OpenStreamRequest, frame: OrderFrame): Order {
  const grant = checkRequest(request);
  const { software, kept, ...rest } = frame;
  const shared: StreamFrame = {
    ...rest,
    owner: { grantId: grant.grantId, epoch: grant.epoch },
    disk: diskOf(request),
    volume: volumeOf(grant),
    driveIndex: grant.drive?.index ?? 0,
  };
  if (isLabel(request)) return labelOrder(request.job!, shared, kept);
  if (grant.mode === 'DRIVE_MODE_READ') {
    const { backupId, fragments } = request;
    return { ...shared, mode: 'read', backupId, fragments };
  }
  return {
    ...shared,
    mode: 'write',
    ...{ copy: FIRST_COPY, software },
    blockSizeBytes: grant.blockSizeBytes || DEFAULT_BLOCK_SIZE_BYTES,
    maxFragmentBytes: grant.maxFragmentBytes,
    image: imageRecord(request, grant),
  };
}

function labelOrder(
  { type, label }: JobSpec,
  shared: StreamFrame,
  kept: readonly string[],
): LabelOrder {
  const erase = label?.longErase ? 'long' : 'short';
  return {
    ...shared,
    ...{ mode: 'label', overwrite: label?.overwrite ?? false, kept },
    erase: type === 'JOB_TYPE_ERASE' ? erase : 'no',
  };
}

function imageRecord({ job, image }: OpenStreamRequest, grant: Grant) {
  const { backup } = job!;
  return {
    backupId: image!.backupId,
    ...{ client: job!.client, policy: job!.policy, policyType: job!.policyType },
    ...{ schedule: job!.schedule, scheduleType: SCHEDULE_NUMBERS[job!.scheduleType] },
    jobId: grant.attempt!.jobId,
    backupTimeMs: image!.backupTimeS * 1000n,
    expiresMs: image!.expirationS * 1000n,
    retentionLevel: backup?.retentionLevel ?? 0,
    level: image!.level,
    streamNumber: 1,
    backupPath: backup?.path ?? '',
    backupType: image!.butype,
    ndmpHost: job!.client,
    env: backup?.env ?? [],
    baseBackupId: image!.baseBackupId,
    keywords: job!.keyword === '' ? [] : [job!.keyword],
  };
}
