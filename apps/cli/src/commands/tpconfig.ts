// tpconfig: NDMP hosts, robots and drives. A password never stands on the command line, where other users see it.

import { resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import { type Context, command } from '../command.ts';
import { type ParsedLine, usage } from '../option-table.ts';
import { deviceLines, deviceLong, deviceTables, ndmpHostTable } from '../render/devices.ts';

const ANY = /^[^-]/;

const OPTIONS = {
  add: { kind: 'flag', help: 'add what follows' },
  update: { kind: 'flag', help: 'change an NDMP host' },
  delete: { kind: 'flag', help: 'delete what follows' },
  nh: { kind: 'word', value: 'HOST', help: 'NDMP host; with -robot or -drive: where they hang' },
  filer_user_id: { kind: 'word', value: 'USER', help: 'user at the NDMP host' },
  filer_password_file: {
    kind: 'word',
    value: 'FILE',
    help: 'file with its password; else it is asked for, or read from standard input',
  },
  filer_password: {
    kind: 'maybe',
    pattern: ANY,
    value: 'never',
    help: 'refused: others could see it',
  },
  filer_addr: { kind: 'word', value: 'ADDRESS', help: 'address, when the name is not one' },
  filer_port: { kind: 'number', value: 'PORT', help: 'port (10000)' },
  filer_auth: { kind: 'word', value: 'md5|text', help: 'how it checks passwords (md5)' },
  dnh: { kind: 'maybe', pattern: ANY, value: 'HOST', help: 'list NDMP hosts' },
  robot: { kind: 'number', value: 'N', help: 'robot number' },
  robtype: { kind: 'word', value: 'TYPE', help: 'robot type: tld, acs' },
  robpath: { kind: 'word', value: 'PATH', help: 'robot path: vtl:FOLDER' },
  cntlhost: { kind: 'word', value: 'HOST', help: 'host that controls the robot (this machine)' },
  drive: { kind: 'maybe', pattern: /^\d+$/, value: 'INDEX', help: 'a drive' },
  type: { kind: 'word', value: 'DENSITY', help: 'hcart, hcart2, hcart3, dlt ...' },
  path: { kind: 'word', value: 'PATH', help: 'drive path: vtl:FOLDER#NUMBER, from 0' },
  asciiname: { kind: 'word', value: 'NAME', help: 'name of the drive' },
  robdrnum: { kind: 'number', value: 'N', help: 'number of the drive in its robot, from 1' },
  host: { kind: 'word', value: 'HOST', help: 'media server of the drive or robot (this machine)' },
  d: { kind: 'flag', help: 'list robots and drives' },
  l: { kind: 'flag', help: 'list them for programs' },
  dl: { kind: 'flag', help: 'list them with everything' },
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const tpconfig = command({
  purpose: 'configure NDMP hosts, robots and drives',
  synopsis: [
    '-d | -l | -dl | -dnh [HOST]',
    '-add|-update -nh HOST -filer_user_id USER [-filer_password_file FILE] [-filer_addr A] [-filer_port P]',
    '-add -robot N -robtype tld -robpath PATH [-nh HOST] [-cntlhost HOST]',
    '-add -drive -type hcart -path PATH -asciiname NAME -robot N -robtype tld -robdrnum N [-nh HOST]',
    '-delete -nh HOST | -robot N | -drive INDEX | -drive -asciiname NAME',
  ],
  options: OPTIONS,
  example:
    'tpconfig -add -nh filer1 -filer_user_id backup -filer_password_file /run/secrets/filer1',
  async run({ options }, context) {
    if (options.filer_password !== undefined) {
      throw usage('a password on the command line can be seen by others: use -filer_password_file');
    }
    const verbs = [options.add, options.update, options.delete].filter(Boolean).length;
    if (verbs > 1) throw usage('-add, -update and -delete exclude each other');
    if (verbs === 0) await list(options, context);
    else if (options.drive !== undefined) await changeDrive(options, context);
    else if (options.robot !== undefined) await changeRobot(options, context);
    else if (options.nh !== undefined) await changeHost(options, options.nh, context);
    else throw usage('say what: -nh HOST, -robot N or -drive');
    return 0;
  },
});

async function list(options: Line, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  if (options.dnh !== undefined) {
    const name = options.dnh === true ? '' : options.dnh;
    const { hosts } = await nbemm.ListNdmpHosts({ name });
    if (hosts.length === 0) throw new StatusError('notFound', 'no such NDMP host is configured');
    context.out(ndmpHostTable(hosts));
    return;
  }
  if (!options.d && !options.l && !options.dl) throw usage('say what to do');
  const devices = await nbemm.GetDevices({});
  if (options.l) context.out(deviceLines(devices));
  else context.out(options.dl ? deviceLong(devices) : deviceTables(devices));
}

async function changeHost(options: Line, name: string, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  if (options.delete) {
    await nbemm.DeleteNdmpHost({ name });
    return;
  }
  const user = options.filer_user_id;
  if (options.add && user === undefined) throw usage('-filer_user_id is needed');
  // An update that names neither user nor password file only moves the address.
  const asks = options.add || user !== undefined || options.filer_password_file !== undefined;
  const password = asks
    ? await context.terminal.secret(
        `Password of ${user ?? 'the user'} at ${name}: `,
        options.filer_password_file,
      )
    : '';
  await nbemm.AddNdmpHost({
    ...{ name, user, password, address: options.filer_addr, port: options.filer_port },
    ...{ auth: options.filer_auth, update: options.update },
  });
}

async function changeRobot(options: Line, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  const { robot: number, robpath } = options;
  if (options.delete) {
    await nbemm.DeleteRobot({ number });
    return;
  }
  if (options.update) throw usage('a robot is deleted and added again');
  if (robpath === undefined) throw usage('-robpath is needed');
  await nbemm.AddRobot({
    robot: {
      ...{ number, type: (options.robtype ?? 'tld').toLowerCase(), ndmpHost: options.nh },
      path: devicePath(context.cwd, robpath),
      controlHost: options.cntlhost ?? options.host ?? (await context.host()),
    },
  });
}

async function changeDrive(options: Line, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  if (options.delete) {
    await nbemm.DeleteDrive({ name: options.asciiname ?? (await driveName(options, context)) });
    return;
  }
  if (options.update) throw usage('a drive is deleted and added again');
  const { asciiname, path, type, robot, robdrnum } = options;
  if ([asciiname, path, type, robot, robdrnum].some((each) => each === undefined)) {
    throw usage('-type, -path, -asciiname, -robot and -robdrnum are needed');
  }
  await nbemm.AddDrive({
    drive: {
      ...{ name: asciiname, density: type, path: devicePath(context.cwd, path ?? '') },
      ...{ robotNumber: robot, robotDrive: robdrnum, ndmpHost: options.nh },
      index: typeof options.drive === 'string' ? Number(options.drive) : 0,
      mediaServer: options.host ?? (await context.host()),
    },
  });
}

async function driveName(options: Line, context: Context): Promise<string> {
  if (typeof options.drive !== 'string') throw usage('name the drive: -drive INDEX or -asciiname');
  const index = Number(options.drive);
  const { drives } = await (await context.client('nbemm')).GetDevices({});
  const found = drives.find(({ drive }) => drive?.index === index)?.drive?.name;
  if (found === undefined) throw new StatusError('notFound', `there is no drive ${index}`);
  return found;
}

/** `vtl:folder` with the folder as seen from everywhere. */
function devicePath(cwd: string, path: string): string {
  return path.startsWith('vtl:') ? `vtl:${resolve(cwd, path.slice('vtl:'.length))}` : path;
}
