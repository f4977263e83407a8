// tpautoconf: logs in to an NDMP host through this machine's ndmpagent, and tells what it offers. A host that is
// configured is logged in to with what nbemm has stored, unless the line names a user or a password file.

import type { ProbeFact } from '@tapestry/contracts';
import { type Context, command } from '../command.ts';
import { usage } from '../option-table.ts';
import { factsText } from '../render/facts.ts';

const NDMP_PORT = 10_000;

export const tpautoconf = command({
  purpose: 'check the login of an NDMP host, or list what it offers',
  synopsis: [
    '-verify HOST | -probe HOST [-filer_user_id USER] [-filer_password_file FILE]',
    '        [-filer_addr ADDRESS] [-filer_port PORT] [-host MEDIA_SERVER]',
  ],
  options: {
    verify: { kind: 'word', value: 'HOST', help: 'log in, and tell who answers' },
    probe: { kind: 'word', value: 'HOST', help: 'log in, and list devices and file systems' },
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
    if (name === undefined) throw usage('-verify HOST or -probe HOST');
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
