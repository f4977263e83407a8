// Devices as people ask for them: each drive with what it does now, each disk with how full it is, and who waits for
// what. Several daemons know a part each; what one did not answer is left out and said so.

import type {
  DriveRow,
  DumpReply,
  GetDevicesReply,
  Grant,
  ListNdmpHostsReply,
  ListStorageUnitsReply,
  MountRow,
  PendingRow,
} from '@tapestry/contracts';
import type { ApiDevices, ApiDrive } from '../device-schemas.ts';
import { integer, timeOrNull } from './job-form.ts';

export interface DeviceFacts {
  readonly devices: GetDevicesReply | null;
  readonly broker: DumpReply | null;
  readonly units: ListStorageUnitsReply | null;
  readonly ndmpHosts: ListNdmpHostsReply | null;
  readonly mounts: readonly MountRow[];
  readonly pending: readonly (PendingRow & { readonly host: string })[];
  readonly problems: readonly string[];
}

export function viewDevices(facts: DeviceFacts): ApiDevices {
  const { devices, broker, units } = facts;
  const grants = (broker?.grants ?? []).flatMap(({ grant }) => (grant === null ? [] : [grant]));
  const all = grants.flatMap((grant) => [grant, ...grant.more]);
  return {
    robots: (devices?.robots ?? []).map(({ number, type, controlHost, ndmpHost }) => ({
      ...{ number, type, controlHost, ndmpHost },
    })),
    drives: (devices?.drives ?? []).map((row) => driveOf(row, facts, all)),
    ndmpHosts: (facts.ndmpHosts?.hosts ?? []).map(({ name, address }) => ({ name, address })),
    disks: disksOf(units, all),
    waiting: (broker?.waiting ?? []).map(({ request, reasons }) => ({
      jobId: integer(request?.attempt?.jobId ?? 0n),
      policy: request?.policy ?? '',
      client: request?.client ?? '',
      priority: request?.priority ?? 0,
      sinceMs: timeOrNull(request?.requestedMs ?? 0n),
      reasons,
    })),
    pending: facts.pending.map(({ id, host, grant, mediaId, drive, reason, sinceMs }) => ({
      ...{ host, mediaId, drive, reason, requestId: integer(id), sinceMs: timeOrNull(sinceMs) },
      jobId: integer(grant?.attempt?.jobId ?? 0n),
    })),
    unknown: (broker?.unknown ?? []).map(({ kind, name, reason, sinceMs }) => ({
      ...{ kind, name, reason },
      sinceMs: timeOrNull(sinceMs),
    })),
    suspended: broker?.suspended ?? '',
    problems: [...facts.problems],
  };
}

function driveOf(row: DriveRow, facts: DeviceFacts, grants: readonly Grant[]): ApiDrive {
  const { drive } = row;
  const name = drive?.name ?? '';
  const grant = grants.find((each) => each.drive?.name === name);
  const mount = facts.mounts.find((each) => each.drive === name);
  const held = grant?.attempt ?? mount?.holder?.attempt;
  return {
    name,
    mediaServer: drive?.mediaServer ?? '',
    ndmpHost: drive?.ndmpHost ?? '',
    density: drive?.density ?? '',
    robotNumber: drive === null || drive.robotDrive === 0 ? null : drive.robotNumber,
    robotDrive: drive?.robotDrive ?? 0,
    ...stateOf(row, mount, grant, facts.broker),
    jobId: held == null ? null : integer(held.jobId),
    mediaId: mount?.mediaId || (grant?.volume?.mediaId ?? ''),
    lastUsedMs: timeOrNull(row.lastUsedMs),
    lastCleanedMs: timeOrNull(row.lastCleanedMs),
    errors: row.errors,
    paths: row.paths.map(({ mediaServer, ndmpHost, path, up, reason }) => ({
      ...{ mediaServer, ndmpHost, path, up, reason },
    })),
  };
}

/** What an operator must know first: that it is down, then that nobody knows, then what it does. */
function stateOf(
  row: DriveRow,
  mount: MountRow | undefined,
  grant: Grant | undefined,
  broker: DumpReply | null,
): Pick<ApiDrive, 'state' | 'reason'> {
  if (row.state === 'DOWN') return { state: 'down', reason: row.reason };
  const name = row.drive?.name;
  const unknown = broker?.unknown.find((each) => each.kind === 'drive' && each.name === name);
  if (unknown !== undefined) return { state: 'unknown', reason: unknown.reason };
  const reason = mount?.reason ?? '';
  switch (mount?.state) {
    case 'unknown':
    case 'cleaning':
    case 'mounting':
      return { state: mount.state, reason };
    default:
      return { state: grant === undefined ? 'idle' : 'inUse', reason };
  }
}

function disksOf(
  units: ListStorageUnitsReply | null,
  grants: readonly Grant[],
): ApiDevices['disks'] {
  const disks = (units?.units ?? []).filter(({ type }) => type === 'Disk');
  return disks.map(({ label, mediaServer, path, highWaterMark, lowWaterMark }) => {
    const told = units?.disks.find(({ storageUnit }) => storageUnit === label);
    const users = grants.filter((each) => each.diskPath !== '' && each.storageUnit === label);
    const jobIds = users.map((each) => integer(each.attempt?.jobId ?? 0n));
    return {
      ...{ label, mediaServer, path },
      capacityBytes: told === undefined ? null : integer(told.capacityBytes),
      freeBytes: told === undefined ? null : integer(told.freeBytes),
      toldMs: timeOrNull(told?.atMs ?? 0n),
      highWaterPercent: highWaterMark,
      lowWaterPercent: lowWaterMark,
      jobIds: [...new Set(jobIds)],
    };
  });
}
