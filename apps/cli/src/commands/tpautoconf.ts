// tpautoconf: logs in to an NDMP host through this machine's ndmpagent, and tells what it offers. A host that is
// configured is logged in to with what nbemm has stored, unless the line names a user or a password file. iSCSI portals are
// asked through ltid, with what the media server itself says of its targets.

import type { ProbeFact } from '@tapestry/contracts';
import { type Context, command } from '../command.ts';
import { replaceDrive, replaceRobot } from '../device-replace.ts';
import { usage } from '../option-table.ts';
import { factsText } from '../render/facts.ts';
import { iscsiTargetsText } from '../render/iscsi-targets.ts';

const NDMP_PORT = 10_000;

export const tpautoconf = command({
  purpose: 'list what an NDMP host or an iSCSI portal offers, check a login, replace a device',
  synopsis: [
    '-verify HOST | -probe HOST [-filer_user_id USER] [-filer_password_file FILE]',
    '        [-filer_addr ADDRESS] [-filer_port PORT] [-host MEDIA_SERVER]',
    '-probe_iscsi HOST[:PORT] [-host MEDIA_SERVER]',
    '-replace_drive NAME -path PATH',
    '-replace_robot N -path PATH',
  ],
  options: {
    verify: { kind: 'word', value: 'HOST', help: 'log in, and tell who answers' },
    probe: { kind: 'word', value: 'HOST', help: 'log in, and list devices and file systems' },
    probe_iscsi: {
      kind: 'word',
      value: 'HOST[:PORT]',
      help: 'log in to each target there, and list drives and robots with their paths',
    },
    replace_drive: { kind: 'word', value: 'NAME', help: 'another drive stands there: learn it' },
    replace_robot: { kind: 'number', value: 'N', help: 'another robot stands there: learn it' },
    path: { kind: 'word', value: 'PATH', help: 'where the drive or robot is now' },
    filer_user_id: {
      kind: 'word',
      value: 'USER',
      help: 'user (else user and password as tpconfig stored them)',
    },
    filer_password_file: {
      kind: 'word',
      value: 'FILE',
      help: 'file with the password; else it is asked for, or read from standard input',
    },
    filer_addr: { kind: 'word', value: 'ADDRESS', help: 'address (as tpconfig stored it)' },
    filer_port: { kind: 'number', value: 'PORT', help: 'port (as tpconfig stored it, else 10000)' },
    host: { kind: 'word', value: 'HOST', help: 'media server that logs in (this machine)' },
  },
  example: 'tpautoconf -verify filer1 -filer_password_file /run/secrets/filer1',
  async run({ options }, context) {
    const name = options.verify ?? options.probe;
    if (name === undefined) return other(options, context);
    const { filer_user_id, filer_password_file } = options;
    const server = options.host ?? (await context.host());
    const asks = filer_user_id !== undefined || filer_password_file !== undefined;
    const stored = await storedHost(context, name);
    if (stored !== undefined && !asks) {
      const request = { name, mediaServer: server };
      const { facts } = await (await context.client('nbemm')).ProbeNdmpHost(request);
      context.out(outcome(name, stored.user, facts, options.verify !== undefined));
      return 0;
    }
    const user = options.filer_user_id ?? stored?.user;
    if (user === undefined) throw usage(`${name} is not configured: name its user, -filer_user_id`);
    const password = await context.terminal.secret(
      `Password of ${user} at ${name}: `,
      options.filer_password_file,
    );
    const agent = await context.client('ndmpagent', server);
    const { facts } = await agent.Probe({
      address: options.filer_addr ?? (stored?.address || name),
      port: options.filer_port ?? stored?.port ?? NDMP_PORT,
      ...{ name, user, password, auth: stored?.auth ?? '' },
    });
    context.out(outcome(name, user, facts, options.verify !== undefined));
    return 0;
  },
});

interface OtherLine {
  readonly probe_iscsi?: string | undefined;
  readonly replace_drive?: string | undefined;
  readonly replace_robot?: number | undefined;
  readonly path?: string | undefined;
  readonly host?: string | undefined;
}

async function other(line: OtherLine, context: Context): Promise<number> {
  const { probe_iscsi: portal, replace_drive: drive, replace_robot: robot, path } = line;
  if (portal !== undefined) {
    const ltid = await context.client('ltid', line.host ?? (await context.host()));
    const { targets } = await ltid.ProbeIscsi({ portal });
    const devices = await (await context.client('nbemm')).GetDevices({});
    context.out(iscsiTargetsText(targets, devices));
    return 0;
  }
  if (drive === undefined && robot === undefined) {
    throw usage('-verify HOST, -probe HOST, -probe_iscsi HOST, -replace_drive or -replace_robot');
  }
  if (path === undefined) throw usage('-path PATH is needed: where it is now');
  if (drive !== undefined) await replaceDrive(drive, path, context);
  else if (robot !== undefined) await replaceRobot(robot, path, context);
  return 0;
}

function outcome(name: string, user: string, facts: readonly ProbeFact[], brief: boolean): string {
  const shown = brief ? facts.filter(isIdentity) : facts;
  return `${name}: the login of ${user} was accepted\n${factsText(shown)}`;
}

async function storedHost(context: Context, name: string) {
  const { hosts } = await (await context.client('nbemm')).ListNdmpHosts({ name });
  return hosts[0];
}

/** Who answered: not what the host has to offer. */
function isIdentity({ group }: ProbeFact): boolean {
  return group === 'server' || group === 'host';
}
