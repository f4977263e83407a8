// What tpconfig does with robots, drives and the paths to drives.

import { StatusError } from '@tapestry/status';
import type { Context } from './command.ts';
import type { DeviceLine } from './device-line.ts';
import { devicePath } from './device-path.ts';
import { usage } from './option-table.ts';

export async function changeRobot(options: DeviceLine, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  const { robot: number, robpath, nh, robtype } = options;
  if (options.delete) {
    await nbemm.DeleteRobot({ number });
    return;
  }
  const path = robpath === undefined ? undefined : devicePath(context.cwd, robpath);
  const controlHost = options.cntlhost ?? options.host;
  if (options.update) {
    const robot = { number, path, controlHost, ndmpHost: nh, type: robtype?.toLowerCase() };
    await nbemm.UpdateRobot({ robot, set: given(robot, ['number']) });
    return;
  }
  if (path === undefined) {
    await requireControlled(number, options, context);
    return;
  }
  await nbemm.AddRobot({
    robot: {
      ...{ number, type: (robtype ?? 'tld').toLowerCase(), ndmpHost: nh, path },
      controlHost: controlHost ?? (await context.host()),
    },
  });
}

/**
 * Each host of NetBackup has a record of its own of a robot that another controls. Here the robot has one record: there
 * is nothing to add when it names that host. Errors: 144, 2059 no such robot, 224 another host controls it.
 */
async function requireControlled(
  number: number | undefined,
  { cntlhost, nh }: DeviceLine,
  context: Context,
): Promise<void> {
  if (cntlhost === undefined || nh !== undefined) throw usage('-robpath is needed');
  const { robots } = await (await context.client('nbemm')).GetDevices({});
  const robot = robots.find((each) => each.number === number);
  if (robot === undefined) {
    const why = `robot ${number} is not known: add it with its -robpath on ${cntlhost} first`;
    throw new StatusError('robotMissing', why);
  }
  if (robot.controlHost !== cntlhost) {
    throw new StatusError('conflict', `robot ${number} is controlled by ${robot.controlHost}`);
  }
}

export async function changeDrive(options: DeviceLine, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  const { asciiname, path, type, robot, robdrnum } = options;
  if (options.delete) {
    const name = asciiname ?? (await driveNamed(oneIndex(options), context));
    await nbemm.DeleteDrive({ name });
    return;
  }
  const density = type?.toLowerCase();
  if (options.update) {
    const name = await driveNamed(oneIndex(options), context);
    const drive = {
      ...{ name: asciiname, density, robotNumber: robot, robotDrive: robdrnum },
      path: path === undefined ? undefined : devicePath(context.cwd, path),
    };
    const set = given(drive, []);
    const up = upOf(options.drstatus);
    if (set.length === 0 && up === undefined) throw usage('say what to change of the drive');
    if (set.length > 0) await nbemm.UpdateDrive({ name, drive, set });
    if (up !== undefined) {
      await nbemm.SetDriveState({ name: asciiname ?? name, up, reason: reasonOf(up, context) });
    }
    return;
  }
  if ([asciiname, path, type, robot, robdrnum].some((each) => each === undefined)) {
    throw usage('-type, -path, -asciiname, -robot and -robdrnum are needed');
  }
  await nbemm.AddDrive({
    drive: {
      ...{ name: asciiname, density, path: devicePath(context.cwd, path ?? '') },
      ...{ robotNumber: robot, robotDrive: robdrnum, ndmpHost: options.nh },
      index: options.drive === true ? 0 : Number(oneIndex(options)),
      mediaServer: options.host ?? (await context.host()),
    },
  });
}

export async function changePath(options: DeviceLine, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  const { asciiname: drive, path: given, nh } = options;
  if (drive === undefined || given === undefined) throw usage('-asciiname and -path are needed');
  const path = {
    ...{ path: devicePath(context.cwd, given), ndmpHost: nh },
    mediaServer: options.host ?? (await context.host()),
  };
  if (options.delete) {
    await nbemm.DeleteDrivePath({ drive, path });
    return;
  }
  const up = upOf(options.drstatus);
  if (options.update && up === undefined) throw usage('-drstatus UP or -drstatus DOWN is needed');
  const request = { drive, path: { ...path, up: up ?? true, reason: reasonOf(up, context) } };
  if (options.add) await nbemm.AddDrivePath(request);
  else await nbemm.SetDrivePathState(request);
}

/** Up to the first that is refused; what came before it is gone. */
export async function deleteDrives(options: DeviceLine, context: Context): Promise<void> {
  if (typeof options.drive !== 'string') throw usage('name the drives: -drive INDEX:INDEX...');
  const nbemm = await context.client('nbemm');
  const names: string[] = [];
  for (const index of options.drive.split(':')) names.push(await driveNamed(index, context));
  for (const name of names) await nbemm.DeleteDrive({ name });
}

function oneIndex({ drive }: DeviceLine): string {
  if (typeof drive !== 'string') throw usage('name the drive: -drive INDEX or -asciiname');
  if (drive.includes(':')) throw usage('several drives are for -multiple_delete');
  return drive;
}

async function driveNamed(text: string, context: Context): Promise<string> {
  const index = Number(text);
  const { drives } = await (await context.client('nbemm')).GetDevices({});
  const found = drives.find(({ drive }) => drive?.index === index)?.drive?.name;
  if (found === undefined) throw new StatusError('notFound', `there is no drive ${index}`);
  return found;
}

function upOf(status: string | undefined): boolean | undefined {
  const word = status?.toUpperCase();
  if (word !== undefined && word !== 'UP' && word !== 'DOWN')
    throw usage('-drstatus is UP or DOWN');
  return word === undefined ? undefined : word === 'UP';
}

function reasonOf(up: boolean | undefined, context: Context): string {
  return up === false ? `set down by ${context.user}@${context.machine}` : '';
}

/** Names of the fields that the line gave, but for those that name the record itself. */
function given(fields: Readonly<Record<string, unknown>>, keys: readonly string[]): string[] {
  return Object.keys(fields).filter((name) => fields[name] !== undefined && !keys.includes(name));
}
