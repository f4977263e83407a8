// Drives with their paths: one row a drive in the database, several ways to it. MDS sees one fact a path, all of one
// name, so that a drive that several hosts reach is one drive to nbrb.

import type { DrivePath, DriveRow, DriveSpec } from '@tapestry/contracts';
import type { Kysely, Selectable } from 'kysely';
import type { Drive } from '../core/inventory.ts';
import type { DrivePathsTable, DrivesTable, EmmDb } from './schema.ts';

type DriveRecord = Selectable<DrivesTable>;
type PathRecord = Selectable<DrivePathsTable>;

export interface DriveWithPaths {
  readonly drive: DriveRecord;
  readonly paths: readonly PathRecord[];
}

/** By index; paths in the order in which they were added. */
export async function loadDrives(db: Kysely<EmmDb>): Promise<DriveWithPaths[]> {
  const [drives, paths] = await Promise.all([
    db.selectFrom('drives').selectAll().orderBy('index').execute(),
    db.selectFrom('drive_paths').selectAll().orderBy('drive').orderBy('ordinal').execute(),
  ]);
  return drives.map((drive) => ({
    drive,
    paths: paths.filter((path) => path.drive === drive.name),
  }));
}

function driveSpec(drive: DriveRecord, path: PathRecord): DriveSpec {
  return {
    ...{ name: drive.name, index: drive.index, density: drive.density },
    ...{ robotNumber: drive.robot_number, robotDrive: drive.robot_drive },
    ...{ mediaServer: path.media_server, path: path.path, ndmpHost: path.ndmp_host },
    serial: drive.serial,
  };
}

/** One fact a path; it is up when both the drive and the path are. */
export function driveFacts({ drive, paths }: DriveWithPaths): Drive[] {
  return paths.map((path) => ({
    spec: driveSpec(drive, path),
    up: drive.up && path.up,
    reason: drive.up ? path.reason : drive.reason,
    lastUsedMs: drive.last_used_ms,
  }));
}

/** As `host` sees it (empty: as nobody in particular); undefined when the host has no path to it. */
export function driveRow({ drive, paths }: DriveWithPaths, host: string): DriveRow | undefined {
  const own = paths.filter((path) => host === '' || path.media_server === host);
  const path = own.find(({ up }) => up) ?? own[0];
  if (path === undefined) return undefined;
  const up = drive.up && path.up;
  return {
    drive: driveSpec(drive, path),
    state: up ? 'UP' : 'DOWN',
    reason: up ? '' : drive.up ? path.reason : drive.reason,
    lastUsedMs: BigInt(drive.last_used_ms),
    errors: drive.errors,
    paths: paths.map(pathRow),
    driveUp: drive.up,
    lastCleanedMs: BigInt(drive.last_cleaned_ms),
  };
}

function pathRow(path: PathRecord): DrivePath {
  return {
    ...{ mediaServer: path.media_server, ndmpHost: path.ndmp_host, path: path.path },
    ...{ up: path.up, reason: path.reason },
  };
}
