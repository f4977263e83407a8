// Handlers for drives and the paths to them. Promises that a drive has at least one path, that no two drives share a
// device, and that a drive under a grant is not deleted.

import type { Handlers } from '@tapestry/bus';
import type {
  DrivePath,
  DrivePathRequest,
  DriveSpec,
  SetDriveStateRequest,
  UpdateDriveRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkDrive, checkDrivePath } from './core/checks.ts';
import { checkSet } from './core/record-edit.ts';
import { edit, exists, inUse, missing, type Parts, required, type Tx } from './parts.ts';
import { requireIdleDrives } from './record-uses.ts';
import { requireNdmpHost, requireRobot, requireServer } from './required-records.ts';

type DriveHandlers = Pick<
  Handlers<'nbemm'>,
  | 'AddDrive'
  | 'DeleteDrive'
  | 'UpdateDrive'
  | 'SetDriveState'
  | 'AddDrivePath'
  | 'DeleteDrivePath'
  | 'SetDrivePathState'
>;

export function driveHandlers(parts: Parts): DriveHandlers {
  return {
    AddDrive: (request) => addDrive(parts, request.drive),
    DeleteDrive: (request) => deleteDrive(parts, request.name),
    UpdateDrive: (request) => updateDrive(parts, request),
    SetDriveState: (request) => setDriveState(parts, request),
    AddDrivePath: (request) => addDrivePath(parts, request),
    DeleteDrivePath: (request) => deleteDrivePath(parts, request),
    SetDrivePathState: (request, call) => setDrivePathState(parts, request, call.caller.host),
  };
}

async function addDrive(parts: Parts, drive: DriveSpec | null) {
  if (drive === null) throw required('the drive');
  checkDrive(drive);
  await edit(parts, `drive ${drive.name}`, async (tx) => {
    await requireServer(tx, drive.mediaServer);
    await requireRobot(tx, drive.robotNumber);
    const others = await tx.selectFrom('drives').selectAll().execute();
    requireFreePlace(others, drive);
    const free = others.reduce((highest, other) => Math.max(highest, other.index), -1) + 1;
    const taken = others.some((other) => other.index === drive.index);
    await tx
      .insertInto('drives')
      .values({
        ...{ name: drive.name, index: taken ? free : drive.index, density: drive.density },
        ...{ robot_number: drive.robotNumber, robot_drive: drive.robotDrive },
        ...{ up: true, reason: '', last_used_ms: 0, last_cleaned_ms: 0, errors: 0 },
        serial: '',
      })
      .execute();
    const { mediaServer, ndmpHost, path } = drive;
    await insertPath(tx, drive.name, { mediaServer, ndmpHost, path, up: true, reason: '' });
  });
  return {};
}

interface Placed {
  readonly name: string;
  readonly robot_number: number;
  readonly robot_drive: number;
}

/** Error: 226 the name, or the place in the robot, is taken. */
function requireFreePlace(others: readonly Placed[], drive: DriveSpec): void {
  const clash = others.find(
    (other) =>
      other.name === drive.name ||
      (other.robot_number === drive.robotNumber && other.robot_drive === drive.robotDrive),
  );
  if (clash !== undefined) throw exists(`drive ${clash.name}`);
}

/** Errors: 2101, 2108; 226 the path is there; 224 it is a path of another drive. */
async function insertPath(tx: Tx, drive: string, path: DrivePath): Promise<void> {
  await requireServer(tx, path.mediaServer);
  if (path.ndmpHost !== '') await requireNdmpHost(tx, path.ndmpHost);
  const all = await tx.selectFrom('drive_paths').selectAll().execute();
  // A device of a filer is the same device whoever asks for it.
  const same = all.filter(
    (each) =>
      each.path === path.path &&
      each.ndmp_host === path.ndmpHost &&
      (path.ndmpHost !== '' || each.media_server === path.mediaServer),
  );
  const other = same.find((each) => each.drive !== drive);
  if (other !== undefined) throw inUse(`${path.path} is a path of drive ${other.drive}`);
  if (same.some((each) => each.media_server === path.mediaServer)) {
    throw exists(`the path ${path.path} of drive ${drive} from ${path.mediaServer}`);
  }
  const ordinal = Math.max(0, ...all.map((each) => each.ordinal)) + 1;
  await tx
    .insertInto('drive_paths')
    .values({
      ...{ drive, ordinal, path: path.path, up: path.up, reason: path.up ? '' : path.reason },
      ...{ media_server: path.mediaServer, ndmp_host: path.ndmpHost },
    })
    .execute();
}

async function lockDrive(tx: Tx, name: string) {
  const row = await tx
    .selectFrom('drives')
    .selectAll()
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw missing(`drive ${name}`);
  return row;
}

async function deleteDrive(parts: Parts, name: string) {
  await requireIdleDrives(parts, (drive) => drive === name);
  await edit(parts, `drive ${name}`, async (tx) => {
    await lockDrive(tx, name);
    await tx.deleteFrom('drives').where('name', '=', name).execute();
  });
  return {};
}

async function updateDrive(parts: Parts, { name, drive, set }: UpdateDriveRequest) {
  if (drive === null) throw required('the drive');
  const sets = checkSet(set, ['name', 'density', 'robotNumber', 'robotDrive', 'path']);
  // A name or a place under a grant is what the grant's holder was told.
  await requireIdleDrives(parts, (each) => each === name);
  await edit(parts, `drive ${name}`, async (tx) => {
    const old = await lockDrive(tx, name);
    const paths = await tx
      .selectFrom('drive_paths')
      .selectAll()
      .where('drive', '=', name)
      .orderBy('ordinal')
      .execute();
    if (sets.has('path') && paths.length !== 1) {
      throw inUse(`drive ${name} has ${paths.length} paths: delete and add the path that changed`);
    }
    const changed: DriveSpec = {
      name: sets.has('name') ? drive.name : old.name,
      density: sets.has('density') ? drive.density : old.density,
      robotNumber: sets.has('robotNumber') ? drive.robotNumber : old.robot_number,
      robotDrive: sets.has('robotDrive') ? drive.robotDrive : old.robot_drive,
      path: sets.has('path') ? drive.path : (paths[0]?.path ?? ''),
      ...{ mediaServer: paths[0]?.media_server ?? '', ndmpHost: paths[0]?.ndmp_host ?? '' },
      index: old.index,
      // Who says where it is says that what is there is meant.
      serial: sets.has('path') ? '' : old.serial,
    };
    checkDrive(changed);
    await requireRobot(tx, changed.robotNumber);
    const others = await tx.selectFrom('drives').selectAll().where('name', '<>', name).execute();
    requireFreePlace(others, changed);
    await saveDrive(tx, name, changed, sets.has('path'));
  });
  return {};
}

async function saveDrive(tx: Tx, name: string, drive: DriveSpec, withPath: boolean): Promise<void> {
  await tx
    .updateTable('drives')
    .set({
      ...{ name: drive.name, density: drive.density },
      ...{ robot_number: drive.robotNumber, robot_drive: drive.robotDrive },
      serial: drive.serial,
    })
    .where('name', '=', name)
    .execute();
  if (drive.name !== name) {
    await tx
      .updateTable('volumes')
      .set({ mounted_drive: drive.name })
      .where('mounted_drive', '=', name)
      .execute();
  }
  if (!withPath) return;
  await tx.deleteFrom('drive_paths').where('drive', '=', drive.name).execute();
  const { mediaServer, ndmpHost, path } = drive;
  await insertPath(tx, drive.name, { mediaServer, ndmpHost, path, up: true, reason: '' });
}

async function setDriveState(parts: Parts, { name, up, reason }: SetDriveStateRequest) {
  await edit(parts, `drive ${name}`, async (tx) => {
    const found = await tx
      .updateTable('drives')
      .set({ up, reason: up ? '' : reason })
      .where('name', '=', name)
      .returning('name')
      .execute();
    if (found.length === 0) throw missing(`drive ${name}`);
    // Up again is an operator's word that it is repaired: what happened before no longer counts.
    if (up) await tx.deleteFrom('media_events').where('drive', '=', name).execute();
  });
  parts.log.info({ drive: name, up, reason }, 'the state of a drive was set');
  return {};
}

async function addDrivePath(parts: Parts, { drive, path }: DrivePathRequest) {
  if (path === null) throw required('the path');
  checkDrivePath(path);
  await edit(parts, `drive ${drive}`, async (tx) => {
    await lockDrive(tx, drive);
    await insertPath(tx, drive, { ...path, up: path.up || path.reason === '' });
  });
  return {};
}

function pathWhere(tx: Tx, drive: string, path: DrivePath) {
  return tx
    .selectFrom('drive_paths')
    .select('ordinal')
    .where('drive', '=', drive)
    .where('media_server', '=', path.mediaServer)
    .where('ndmp_host', '=', path.ndmpHost)
    .where('path', '=', path.path)
    .executeTakeFirst();
}

async function requirePath(tx: Tx, drive: string, path: DrivePath): Promise<number> {
  const found = await pathWhere(tx, drive, path);
  if (found === undefined) {
    throw missing(`the path ${path.path} of drive ${drive} from ${path.mediaServer}`);
  }
  return found.ordinal;
}

async function deleteDrivePath(parts: Parts, { drive, path }: DrivePathRequest) {
  if (path === null) throw required('the path');
  await requireIdleDrives(parts, (each) => each === drive);
  await edit(parts, `drive ${drive}`, async (tx) => {
    await lockDrive(tx, drive);
    const ordinal = await requirePath(tx, drive, path);
    const paths = await tx
      .selectFrom('drive_paths')
      .select('ordinal')
      .where('drive', '=', drive)
      .execute();
    if (paths.length === 1) throw inUse(`it is the last path of drive ${drive}: delete the drive`);
    await tx
      .deleteFrom('drive_paths')
      .where('drive', '=', drive)
      .where('ordinal', '=', ordinal)
      .execute();
  });
  return {};
}

async function setDrivePathState(
  parts: Parts,
  { drive, path }: DrivePathRequest,
  askerHost: string | undefined,
) {
  if (path === null) throw required('the path');
  if (askerHost !== undefined && askerHost !== path.mediaServer) {
    const why = `${askerHost} may not set a path of ${path.mediaServer}`;
    throw new StatusError('invalidServer', why);
  }
  const { up, reason } = path;
  await edit(parts, `drive ${drive}`, async (tx) => {
    await lockDrive(tx, drive);
    const ordinal = await requirePath(tx, drive, path);
    await tx
      .updateTable('drive_paths')
      .set({ up, reason: up ? '' : reason })
      .where('drive', '=', drive)
      .where('ordinal', '=', ordinal)
      .execute();
  });
  parts.log.info({ drive, path: path.path, up, reason }, 'the state of a drive path was set');
  return {};
}
