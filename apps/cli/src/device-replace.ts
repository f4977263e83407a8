// A drive or robot that was replaced: what is at the path now counts, and its serial number is learnt anew.

import { StatusError } from '@tapestry/status';
import type { Context } from './command.ts';
import { devicePath } from './device-path.ts';

export async function replaceDrive(name: string, given: string, context: Context): Promise<void> {
  const path = devicePath(context.cwd, given);
  const nbemm = await context.client('nbemm');
  const row = (await nbemm.GetDevices({})).drives.find(({ drive }) => drive?.name === name);
  if (row === undefined) throw new StatusError('notFound', `there is no drive ${name}`);
  if (row.paths.some((each) => each.path === path)) {
    await nbemm.RecordSerial({ drive: name, serial: '', replace: true });
  } else {
    await nbemm.UpdateDrive({ name, drive: { path }, set: ['path'] });
  }
  context.out(`The serial number of ${name} is learnt anew from ${path}.\n`);
  if (!row.driveUp) context.out(`It is down (${row.reason}): vmoprcmd -upbyname ${name}\n`);
}

export async function replaceRobot(number: number, given: string, context: Context): Promise<void> {
  const path = devicePath(context.cwd, given);
  const nbemm = await context.client('nbemm');
  await nbemm.UpdateRobot({ robot: { number, path }, set: ['path'] });
  context.out(`The serial number of robot ${number} is learnt anew from ${path}.\n`);
}
