// tpconfig: NDMP hosts and their credentials, robots, drives and the paths to them. A password never stands on the
// command line, where other users see it.

import { StatusError } from '@tapestry/status';
import { type Context, command } from '../command.ts';
import { changeCredential, changeDefault, changeHost } from '../credential-edit.ts';
import { changeDrive, changePath, changeRobot, deleteDrives } from '../device-edit.ts';
import { DEVICE_OPTIONS, type DeviceLine } from '../device-line.ts';
import { usage } from '../option-table.ts';
import { deviceLines, deviceLong, deviceTables, ndmpHostTable } from '../render/devices.ts';

export const tpconfig = command({
  purpose: 'configure NDMP hosts, robots, drives and paths to drives',
  synopsis: [
    '-d | -l | -dl | -emm_dev_list [-host HOST]',
    '-dnh [HOST]',
    '-add|-update -nh HOST -filer_user_id USER [-filer_password_file FILE] [-filer_addr A] [-filer_port P]',
    '-add|-update -nh HOST -use_default',
    '-add|-update -nh HOST -host MEDIA_SERVER -filer_user_id USER [-filer_password_file FILE]',
    '-add|-update -default_user_id USER [-filer_password_file FILE]',
    '-add|-update -robot N -robtype tld -robpath PATH [-nh HOST] [-cntlhost HOST]',
    '-add -robot N -robtype tld -cntlhost HOST',
    '-add -drive -type hcart -path PATH -asciiname NAME -robot N -robtype tld -robdrnum N [-nh HOST]',
    '-update -drive INDEX [-asciiname NAME] [-type T] [-path PATH] [-robot N] [-robdrnum N] [-drstatus UP|DOWN]',
    '-add|-update|-delete -drpath -asciiname NAME -path PATH [-nh HOST] [-host HOST] [-drstatus UP|DOWN]',
    '-delete -nh HOST [-host MEDIA_SERVER] | -default_user_id USER | -robot N | -drive INDEX | -drive -asciiname NAME',
    '-multiple_delete -drive INDEX:INDEX...',
  ],
  options: DEVICE_OPTIONS,
  example:
    'tpconfig -add -nh filer1 -filer_user_id backup -filer_password_file /run/secrets/filer1',
  async run({ options }, context) {
    if (options.filer_password !== undefined) {
      throw usage('a password on the command line can be seen by others: use -filer_password_file');
    }
    const verbs = [options.add, options.update, options.delete, options.multiple_delete];
    const count = verbs.filter(Boolean).length;
    if (count > 1) throw usage('-add, -update, -delete and -multiple_delete exclude each other');
    await (count === 0 ? list(options, context) : change(options, context));
    return 0;
  },
});

async function change(options: DeviceLine, context: Context): Promise<void> {
  if (options.multiple_delete) await deleteDrives(options, context);
  else if (options.drpath) await changePath(options, context);
  else if (options.drive !== undefined) await changeDrive(options, context);
  else if (options.robot !== undefined) await changeRobot(options, context);
  else if (options.default_user_id !== undefined) {
    await changeDefault(options, options.default_user_id, context);
  } else if (options.nh !== undefined) {
    const edit = options.host === undefined ? changeHost : changeCredential;
    await edit(options, options.nh, context);
  } else throw usage('say what: -nh HOST, -default_user_id USER, -robot N, -drive or -drpath');
}

async function list(options: DeviceLine, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  if (options.dnh !== undefined) {
    const name = options.dnh === true ? '' : options.dnh;
    const { hosts, globalUser } = await nbemm.ListNdmpHosts({ name });
    if (hosts.length === 0 && (name !== '' || globalUser === '')) {
      throw new StatusError('notFound', 'no such NDMP host is configured');
    }
    context.out(ndmpHostTable(hosts, globalUser));
    return;
  }
  const { d, l, dl, emm_dev_list, host } = options;
  if (!d && !l && !dl && !emm_dev_list) throw usage('say what to do');
  const devices = await nbemm.GetDevices({ mediaServer: emm_dev_list ? '' : host });
  if (l) context.out(deviceLines(devices));
  else context.out(dl || emm_dev_list ? deviceLong(devices) : deviceTables(devices));
}
