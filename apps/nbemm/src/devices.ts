// Handlers for devices: media servers, robots, drives and storage units, as tpconfig and bpstuadd manage them.

import type { Handlers } from '@tapestry/bus';
import { StatusError } from '@tapestry/status';
import { driveRow, storageUnit } from './adapters/rows.ts';
import { checkDrive, checkRobot, checkUnit, FRAGMENT_MB_MAX } from './core/checks.ts';
import { change, exists, missing, type Parts, type Tx } from './parts.ts';

type DeviceHandlers = Pick<
  Handlers<'nbemm'>,
  | 'RegisterMediaServer'
  | 'GetDevices'
  | 'AddRobot'
  | 'DeleteRobot'
  | 'AddDrive'
  | 'DeleteDrive'
  | 'SetDriveState'
  | 'AddStorageUnit'
  | 'DeleteStorageUnit'
  | 'ListStorageUnits'
>;

export function deviceHandlers(parts: Parts): DeviceHandlers {
  return {
    RegisterMediaServer: (request, call) => {
      const { host } = call.caller;
      if (host !== undefined && host !== request.name) {
        throw new StatusError('invalidServer', `${host} may not register ${request.name}`);
      }
      return registerMediaServer(parts, request.name, request.version);
    },
    GetDevices: (request) => getDevices(parts, request.mediaServer),
    AddRobot: (request) => addRobot(parts, request.robot),
    DeleteRobot: (request) => deleteRobot(parts, request.number),
    AddDrive: (request) => addDrive(parts, request.drive),
    DeleteDrive: (request) => deleteDrive(parts, request.name),
    SetDriveState: (request) => setDriveState(parts, request),
    AddStorageUnit: (request) => addStorageUnit(parts, request.unit),
    DeleteStorageUnit: (request) => deleteStorageUnit(parts, request.name),
    ListStorageUnits: async ({ name }) => {
      let query = parts.store.db.selectFrom('storage_units').selectAll().orderBy('label');
      if (name !== '') query = query.where('label', '=', name);
      return { units: (await query.execute()).map(storageUnit) };
    },
  };
}

async function registerMediaServer(parts: Parts, name: string, version: string) {
  if (name === '') throw new StatusError('requiredValueNotSet', 'the media server has no name');
  const row = { name, active: true, version, registered_ms: parts.nowMs() };
  await change(parts, `media server ${name}`, (tx) =>
    tx
      .insertInto('media_servers')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute(),
  );
  return {};
}

async function getDevices(parts: Parts, mediaServer: string) {
  const { db } = parts.store;
  const [robots, drives, servers] = await Promise.all([
    db.selectFrom('robots').selectAll().orderBy('number').execute(),
    db.selectFrom('drives').selectAll().orderBy('index').execute(),
    db.selectFrom('media_servers').selectAll().orderBy('name').execute(),
  ]);
  const all = mediaServer === '';
  const own = drives.filter((drive) => all || drive.media_server === mediaServer);
  // A host is told of the robots that it controls and of those that its drives stand in.
  const near = new Set(own.map((drive) => drive.robot_number));
  return {
    robots: robots
      .filter((robot) => all || robot.control_host === mediaServer || near.has(robot.number))
      .map(({ number, type, control_host, path, ndmp_host }) => ({
        ...{ number, type, path },
        controlHost: control_host,
        ndmpHost: ndmp_host,
      })),
    drives: own.map(driveRow),
    mediaServers: servers
      .filter((server) => all || server.name === mediaServer)
      .map(({ name, active, registered_ms }) => ({
        ...{ name, active },
        registeredMs: BigInt(registered_ms),
      })),
  };
}

async function requireServer(tx: Tx, name: string): Promise<void> {
  const found = await tx
    .selectFrom('media_servers')
    .select('name')
    .where('name', '=', name)
    .executeTakeFirst();
  if (found === undefined) {
    throw new StatusError(
      'mediaServerMissing',
      `the media server ${name} is not known: start its bpcd, which makes it known`,
    );
  }
}

async function addRobot(parts: Parts, robot: Parameters<typeof checkRobot>[0] | null) {
  if (robot === null) throw new StatusError('requiredValueNotSet', 'no robot is given');
  checkRobot(robot);
  await change(parts, `robot ${robot.number}`, async (tx) => {
    await requireServer(tx, robot.controlHost);
    const added = await tx
      .insertInto('robots')
      .values({
        ...{ number: robot.number, type: robot.type, path: robot.path },
        control_host: robot.controlHost,
        ndmp_host: robot.ndmpHost,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('number')
      .execute();
    if (added.length === 0) throw exists(`robot ${robot.number}`);
  });
  return {};
}

async function deleteRobot(parts: Parts, number: number) {
  await change(parts, `robot ${number}`, async (tx) => {
    const drive = await tx
      .selectFrom('drives')
      .select('name')
      .where('robot_number', '=', number)
      .executeTakeFirst();
    if (drive !== undefined) {
      throw new StatusError('conflict', `drive ${drive.name} still stands in robot ${number}`);
    }
    const gone = await tx
      .deleteFrom('robots')
      .where('number', '=', number)
      .returning('number')
      .execute();
    if (gone.length === 0) throw missing(`robot ${number}`);
    await tx
      .updateTable('volumes')
      .set((eb) => ({ slot: 0, robot_number: 0, version: eb('version', '+', 1n) }))
      .where('robot_number', '=', number)
      .execute();
  });
  return {};
}

async function addDrive(parts: Parts, drive: Parameters<typeof checkDrive>[0] | null) {
  if (drive === null) throw new StatusError('requiredValueNotSet', 'no drive is given');
  checkDrive(drive);
  await change(parts, `drive ${drive.name}`, async (tx) => {
    await requireServer(tx, drive.mediaServer);
    const robot = await tx
      .selectFrom('robots')
      .select('number')
      .where('number', '=', drive.robotNumber)
      .executeTakeFirst();
    if (robot === undefined) {
      throw new StatusError('robotMissing', `robot ${drive.robotNumber} is not known`);
    }
    const others = await tx.selectFrom('drives').selectAll().execute();
    const clash = others.find(
      (other) =>
        other.name === drive.name ||
        (other.robot_number === drive.robotNumber && other.robot_drive === drive.robotDrive),
    );
    if (clash !== undefined) throw exists(`drive ${clash.name}`);
    const free = others.reduce((highest, other) => Math.max(highest, other.index), -1) + 1;
    const taken = others.some((other) => other.index === drive.index);
    await tx
      .insertInto('drives')
      .values({
        ...{ name: drive.name, index: taken ? free : drive.index, density: drive.density },
        ...{ media_server: drive.mediaServer, path: drive.path, ndmp_host: drive.ndmpHost },
        ...{ robot_number: drive.robotNumber, robot_drive: drive.robotDrive },
        ...{ up: true, reason: '', last_used_ms: 0, errors: 0 },
      })
      .execute();
  });
  return {};
}

async function deleteDrive(parts: Parts, name: string) {
  await change(parts, `drive ${name}`, async (tx) => {
    const gone = await tx.deleteFrom('drives').where('name', '=', name).returning('name').execute();
    if (gone.length === 0) throw missing(`drive ${name}`);
  });
  return {};
}

async function setDriveState(
  parts: Parts,
  { name, up, reason }: { name: string; up: boolean; reason: string },
) {
  await change(parts, `drive ${name}`, async (tx) => {
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

async function addStorageUnit(parts: Parts, unit: Parameters<typeof checkUnit>[0] | null) {
  if (unit === null) throw new StatusError('requiredValueNotSet', 'no storage unit is given');
  checkUnit(unit);
  await change(parts, `storage unit ${unit.label}`, async (tx) => {
    await requireServer(tx, unit.mediaServer);
    const robot = await tx
      .selectFrom('robots')
      .select('type')
      .where('number', '=', unit.robotNumber)
      .executeTakeFirst();
    if (robot === undefined) {
      throw new StatusError('robotMissing', `robot ${unit.robotNumber} is not known`);
    }
    const added = await tx
      .insertInto('storage_units')
      .values({
        ...{ label: unit.label, type: 'Media Manager', media_server: unit.mediaServer },
        ...{ density: unit.density, robot_number: unit.robotNumber, robot_type: robot.type },
        max_drives: Math.max(1, unit.maxDrives),
        max_fragment_mb: unit.maxFragmentMb === 0n ? FRAGMENT_MB_MAX : unit.maxFragmentMb,
        ...{ on_demand_only: unit.onDemandOnly, ndmp_host: unit.ndmpHost, max_mpx: 1 },
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('label')
      .execute();
    if (added.length === 0) throw exists(`storage unit ${unit.label}`);
  });
  return {};
}

async function deleteStorageUnit(parts: Parts, label: string) {
  await change(parts, `storage unit ${label}`, async (tx) => {
    const gone = await tx
      .deleteFrom('storage_units')
      .where('label', '=', label)
      .returning('label')
      .execute();
    if (gone.length === 0) throw missing(`storage unit ${label}`);
  });
  return {};
}
