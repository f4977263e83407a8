// ndmp-probe: all about a filer, as this machine's ndmpagent sees it, and what backups would make of it; or a session
// that ndmpagent recorded, message by message.

import { type Context, command } from '../command.ts';
import { usage } from '../option-table.ts';
import { factsText } from '../render/facts.ts';
import { traceText } from '../render/ndmp-trace.ts';
import { readLines } from '../text-file.ts';

const NDMP_PORT = 10_000;

export const ndmpProbe = command({
  purpose: 'tell all about a filer and how it will be backed up, or show a recorded NDMP session',
  synopsis: [
    'HOST [-user USER] [-password_file FILE] [-auth md5|text] [-max_version 2|3|4] [-json]',
    'HOST [-addr ADDRESS] [-port PORT] [-host MEDIA_SERVER] …',
    '-trace FILE [-errors] [-full]',
  ],
  options: {
    user: { kind: 'word', value: 'USER', help: 'NDMP user (the one that tpconfig stored)' },
    password_file: {
      kind: 'word',
      value: 'FILE',
      help: 'file with the password; else it is asked for, or read from standard input',
    },
    addr: { kind: 'word', value: 'ADDRESS', help: 'address (as tpconfig stored it, else HOST)' },
    port: { kind: 'number', value: 'PORT', help: 'port (as tpconfig stored it, else 10000)' },
    auth: {
      kind: 'word',
      value: 'md5|text',
      help: 'text allows a log-in in clear text (as tpconfig stored it, else md5)',
    },
    max_version: { kind: 'number', value: '2|3|4', help: 'highest NDMP version to speak (4)' },
    host: { kind: 'word', value: 'HOST', help: 'media server that asks (this machine)' },
    json: { kind: 'flag', help: 'for programs' },
    trace: {
      kind: 'word',
      value: 'FILE',
      help: 'show this recorded session; ndmpagent records where NDMPAGENT_TRACE_DIR says',
    },
    errors: { kind: 'flag', help: 'with -trace: only what went wrong' },
    full: { kind: 'flag', help: 'with -trace: do not cut long lines' },
  },
  operandsMax: 1,
  example: 'ndmp-probe filer1 -password_file /run/secrets/filer1',
  async run({ options, operands }, context) {
    if (options.trace !== undefined) {
      if (operands.length > 0) throw usage('-trace takes no HOST');
      const { isScreen, columns } = context.terminal;
      const view = { errorsOnly: options.errors, columns: isScreen && !options.full ? columns : 0 };
      context.out(traceText(readLines(context.cwd, options.trace), view));
      return 0;
    }
    const [name] = operands;
    if (name === undefined) throw usage('say which HOST, or -trace FILE');
    const { auth, max_version: versionMax = 0 } = options;
    if (auth !== undefined && auth !== 'md5' && auth !== 'text')
      throw usage('-auth is md5 or text');
    if (![0, 2, 3, 4].includes(versionMax)) throw usage('-max_version is 2, 3 or 4');
    const stored = await storedHost(context, name);
    const user = options.user ?? stored?.user;
    if (user === undefined) throw usage(`${name} is not configured: name its user, -user`);
    const question = `Password of ${user} at ${name}: `;
    const password = await context.terminal.secret(question, options.password_file);
    const agent = await context.client('ndmpagent', options.host ?? (await context.host()));
    const { facts } = await agent.Probe({
      ...{ name, user, password, versionMax },
      address: options.addr ?? (stored?.address || name),
      port: options.port ?? stored?.port ?? NDMP_PORT,
      auth: auth ?? stored?.auth ?? 'md5',
    });
    context.out(
      options.json
        ? `${JSON.stringify({ host: name, facts }, null, 2)}\n`
        : `${name}\n${factsText(facts)}`,
    );
    return 0;
  },
});

async function storedHost(context: Context, name: string) {
  const { hosts } = await (await context.client('nbemm')).ListNdmpHosts({ name });
  return hosts[0];
}
