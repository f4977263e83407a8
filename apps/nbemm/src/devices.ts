// Handlers for robots, drives and the paths to them, as tpconfig, tpautoconf and vmoprcmd manage them.

import type { Handlers } from '@tapestry/bus';
import type { RobotSpec, UpdateRobotRequest } from '@tapestry/contracts';
import { driveRow, loadDrives } from './adapters/drive-rows.ts';
import { checkRobot } from './core/checks.ts';
import { checkSet } from './core/record-edit.ts';
import { driveHandlers } from './drives.ts';
import { edit, exists, inUse, missing, type Parts, required, type Tx } from './parts.ts';
import { emptyRobot, requireNdmpHost, requireServer } from './required-records.ts';
import { recordSerial } from './serials.ts';

type DeviceHandlers = Pick<
  Handlers<'nbemm'>,
  'GetDevices' | 'AddRobot' | 'DeleteRobot' | 'UpdateRobot' | 'RecordSerial'
> &
  ReturnType<typeof driveHandlers>;

export function deviceHandlers(parts: Parts): DeviceHandlers {
  return {
    ...driveHandlers(parts),
    GetDevices: (request) => getDevices(parts, request.mediaServer),
    AddRobot: (request) => addRobot(parts, request.robot),
    DeleteRobot: (request) => deleteRobot(parts, request.number),
    UpdateRobot: (request) => updateRobot(parts, request),
    RecordSerial: (request) => recordSerial(parts, request),
  };
}

async function getDevices(parts: Parts, mediaServer: string) {
  const { db } = parts.store;
  const [robots, drives, servers] = await Promise.all([
    db.selectFrom('robots').selectAll().orderBy('number').execute(),
    loadDrives(db),
    db.selectFrom('media_servers').selectAll().orderBy('name').execute(),
  ]);
  const all = mediaServer === '';
  const own = drives.flatMap((drive) => driveRow(drive, mediaServer) ?? []);
  // A host is told of the robots that it controls and of those that its drives stand in.
  const near = new Set(own.map(({ drive }) => drive?.robotNumber));
  return {
    robots: robots
      .filter((robot) => all || robot.control_host === mediaServer || near.has(robot.number))
      .map(({ number, type, control_host, path, ndmp_host, serial }) => ({
        ...{ number, type, path, serial },
        controlHost: control_host,
        ndmpHost: ndmp_host,
      })),
    drives: own,
    mediaServers: servers
      .filter((server) => all || server.name === mediaServer)
      .map(({ name, active, registered_ms, version, paused }) => ({
        ...{ name, active, version, paused },
        registeredMs: BigInt(registered_ms),
      })),
  };
}

async function addRobot(parts: Parts, robot: RobotSpec | null) {
  if (robot === null) throw required('the robot');
  checkRobot(robot);
  await edit(parts, `robot ${robot.number}`, async (tx) => {
    await requireServer(tx, robot.controlHost);
    if (robot.ndmpHost !== '') await requireNdmpHost(tx, robot.ndmpHost);
    await requireFreePath(tx, robot);
    const added = await tx
      .insertInto('robots')
      .values({
        ...{ number: robot.number, type: robot.type, path: robot.path },
        control_host: robot.controlHost,
        ndmp_host: robot.ndmpHost,
        serial: '',
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('number')
      .execute();
    if (added.length === 0) throw exists(`robot ${robot.number}`);
  });
  return {};
}

/** Two records of one changer would move its arm against each other. Error: 224. */
async function requireFreePath(tx: Tx, robot: RobotSpec): Promise<void> {
  let query = tx
    .selectFrom('robots')
    .select('number')
    .where('path', '=', robot.path)
    .where('ndmp_host', '=', robot.ndmpHost)
    .where('number', '<>', robot.number);
  if (robot.ndmpHost === '') query = query.where('control_host', '=', robot.controlHost);
  const other = await query.executeTakeFirst();
  if (other !== undefined) throw inUse(`${robot.path} is robot ${other.number} already`);
}

async function updateRobot(parts: Parts, { robot, set }: UpdateRobotRequest) {
  if (robot === null) throw required('the robot');
  const sets = checkSet(set, ['type', 'path', 'controlHost', 'ndmpHost']);
  await edit(parts, `robot ${robot.number}`, async (tx) => {
    const old = await lockRobot(tx, robot.number);
    const changed: RobotSpec = {
      number: robot.number,
      type: sets.has('type') ? robot.type : old.type,
      path: sets.has('path') ? robot.path : old.path,
      controlHost: sets.has('controlHost') ? robot.controlHost : old.control_host,
      ndmpHost: sets.has('ndmpHost') ? robot.ndmpHost : old.ndmp_host,
      // Who says where it is says that what is there is meant.
      serial: sets.has('path') ? '' : old.serial,
    };
    checkRobot(changed);
    await requireServer(tx, changed.controlHost);
    if (changed.ndmpHost !== '') await requireNdmpHost(tx, changed.ndmpHost);
    await requireFreePath(tx, changed);
    await tx
      .updateTable('robots')
      .set({
        ...{ type: changed.type, path: changed.path },
        ...{ control_host: changed.controlHost, ndmp_host: changed.ndmpHost },
        serial: changed.serial,
      })
      .where('number', '=', robot.number)
      .execute();
  });
  return {};
}

async function lockRobot(tx: Tx, number: number) {
  const row = await tx
    .selectFrom('robots')
    .selectAll()
    .where('number', '=', number)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw missing(`robot ${number}`);
  return row;
}

async function deleteRobot(parts: Parts, number: number) {
  await edit(parts, `robot ${number}`, async (tx) => {
    await lockRobot(tx, number);
    const drive = await tx
      .selectFrom('drives')
      .select('name')
      .where('robot_number', '=', number)
      .executeTakeFirst();
    if (drive !== undefined) throw inUse(`drive ${drive.name} still stands in robot ${number}`);
    const unit = await tx
      .selectFrom('storage_units')
      .select('label')
      .where('robot_number', '=', number)
      .where('type', '<>', 'Disk')
      .executeTakeFirst();
    if (unit !== undefined) throw inUse(`storage unit ${unit.label} uses robot ${number}`);
    await tx.deleteFrom('robots').where('number', '=', number).execute();
    await tx.deleteFrom('media_id_rules').where('robot_number', '=', number).execute();
    await emptyRobot(tx, number);
  });
  return {};
}
