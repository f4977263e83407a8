// Devices as people ask for them: each drive with what it does now, each volume with what it is good for, and who
// waits for what. Three daemons know a part each; what one did not answer is left out and said so.

import type {
  DriveRow,
  DumpReply,
  GetDevicesReply,
  ListVolumesReply,
  VolumeRow,
} from '@tapestry/contracts';
import type { ApiDevices } from '../schemas.ts';
import { integer, timeOrNull } from './job-form.ts';

export interface DeviceFacts {
  readonly devices: GetDevicesReply | null;
  readonly volumes: ListVolumesReply | null;
  readonly broker: DumpReply | null;
  readonly problems: readonly string[];
}

export function viewDevices({ devices, volumes, broker, problems }: DeviceFacts): ApiDevices {
  const grants = new Map(
    (broker?.grants ?? []).flatMap(({ grant }) =>
      grant?.drive == null ? [] : [[grant.drive.name, grant] as const],
    ),
  );
  return {
    drives: (devices?.drives ?? []).map((row) => {
      const grant = grants.get(row.drive?.name ?? '');
      return {
        ...driveOf(row),
        jobId: grant?.attempt == null ? null : integer(grant.attempt.jobId),
        mediaId: grant?.volume?.mediaId ?? '',
      };
    }),
    volumes: (volumes?.volumes ?? []).map(volumeOf),
    waiting: (broker?.waiting ?? []).map(({ request, reasons }) => ({
      jobId: integer(request?.attempt?.jobId ?? 0n),
      policy: request?.policy ?? '',
      client: request?.client ?? '',
      priority: request?.priority ?? 0,
      sinceMs: timeOrNull(request?.requestedMs ?? 0n),
      reasons,
    })),
    unknown: (broker?.unknown ?? []).map(({ kind, name, reason, sinceMs }) => ({
      ...{ kind, name, reason },
      sinceMs: timeOrNull(sinceMs),
    })),
    problems: [...problems],
  };
}

function driveOf(row: DriveRow): Omit<ApiDevices['drives'][number], 'jobId' | 'mediaId'> {
  const { drive } = row;
  return {
    name: drive?.name ?? '',
    mediaServer: drive?.mediaServer ?? '',
    density: drive?.density ?? '',
    robotNumber: drive === null || drive.robotDrive === 0 ? null : drive.robotNumber,
    state: row.state,
    reason: row.reason,
    lastUsedMs: timeOrNull(row.lastUsedMs),
    errors: row.errors,
  };
}

function volumeOf(row: VolumeRow): ApiDevices['volumes'][number] {
  const { volume } = row;
  const slot = volume?.slot ?? 0;
  return {
    mediaId: volume?.mediaId ?? '',
    barcode: volume?.barcode ?? '',
    pool: volume?.pool ?? '',
    density: volume?.density ?? '',
    robotNumber: slot === 0 ? null : (volume?.robotNumber ?? null),
    slot: slot === 0 ? null : slot,
    state: stateOf(row),
    mounts: row.mounts,
    images: row.images,
    writtenBytes: integer(row.writtenBytes),
    lastWrittenMs: timeOrNull(row.lastWrittenMs),
  };
}

/** Bits of bpmedialist: 1 frozen, 2 suspended, 8 full. */
function stateOf(row: VolumeRow): ApiDevices['volumes'][number]['state'] {
  if ((row.statusBits & 1) !== 0) return 'frozen';
  if ((row.statusBits & 2) !== 0) return 'suspended';
  if ((row.statusBits & 8) !== 0) return 'full';
  return (row.volume?.assignedMs ?? 0n) === 0n ? 'available' : 'assigned';
}
