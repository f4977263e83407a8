// The command line of ndmpd, and the file that may stand for it. Parsed once, checked by one schema, frozen.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { StatusError } from '@tapestry/status';
import { z } from 'zod';
import { isNetwork } from './adapters/peer-policy.ts';

export const USAGE = `ndmpd: an NDMP server that offers directories of this host as file systems, and a tape library.

  ndmpd --listen HOST:PORT --user NAME --password-file FILE [--export NAME=DIR ...] [--library DIR]

  --listen HOST:PORT     address of the control connection; port 0 takes a free one (127.0.0.1:10000)
  --user NAME            the NDMP user
  --password-file FILE   file with that user's password, 1 to 31 bytes
  --export NAME=DIR      offers DIR as file system /NAME; may be repeated. DIR,ro takes no recoveries;
                         DIR,owner=UID:GID gives everything recovered to that owner
  --library DIR          offers the drives and the robot of the virtual library in DIR
  --strict               go by the letter of the NDMP v4 draft where DMAs are used to more: to test a DMA
  --allow-text-auth      also accept the password in clear
  --dump-dates FILE      keep the dates of level backups here; without it they last as long as the process
  --data-peer NETWORK    dial data connections to these addresses only, as ADDRESS or ADDRESS/BITS; may
                         be repeated; without it to any
  --sessions-max N       control connections served at a time (64)
  --config FILE          JSON object with these options by name, {"export": ["home=/srv/home"]}; what stands
                         on the command line goes before it
  --help                 show this text

When ready it prints one line: {"ready":true,"address":"HOST:PORT"}`;

/** A directory, then options that start with a comma. */
const EXPORT_TARGET = /^(.*?)((?:,ro|,owner=\d{1,10}:\d{1,10})*)$/s;

const exportSchema = z
  .string()
  .regex(/^[^/=\0]+=.+$/, 'must be NAME=DIR, without a slash in NAME')
  .transform((text) => {
    const at = text.indexOf('=');
    const [, directory = '', options = ''] = EXPORT_TARGET.exec(text.slice(at + 1)) ?? [];
    const owner = /,owner=(\d+):(\d+)/.exec(options);
    return {
      name: text.slice(0, at),
      directory,
      readOnly: options.includes(',ro'),
      ...(owner === null ? {} : { owner: { uid: Number(owner[1]), gid: Number(owner[2]) } }),
    };
  })
  .refine(({ name }) => name !== '.' && name !== '..', 'NAME may not be . or ..');

const listenSchema = z
  .string()
  .regex(/^.+:\d{1,5}$/, 'must be HOST:PORT')
  .transform((text) => {
    const at = text.lastIndexOf(':');
    const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1');
    return { host, port: Number(text.slice(at + 1)) };
  })
  .refine(({ port }) => port <= 65_535, 'has no such port');

const schema = z
  .object({
    listen: listenSchema,
    user: z.string({ error: '--user is needed' }).min(1, 'is empty'),
    passwordFile: z.string({ error: '--password-file is needed' }).min(1, 'is empty'),
    exports: z
      .array(exportSchema)
      .refine(
        (all) => new Set(all.map(({ name }) => name)).size === all.length,
        'two exports have one name',
      ),
    library: z.string().min(1).optional(),
    strict: z.boolean(),
    allowTextAuth: z.boolean(),
    dumpDates: z.string().min(1).optional(),
    dataPeers: z.array(z.string().refine(isNetwork, 'must be ADDRESS or ADDRESS/BITS')),
    sessionsMax: z.coerce.number().int().min(1).max(10_000),
  })
  .refine(({ exports, library }) => exports.length > 0 || library !== undefined, {
    path: ['exports'],
    message: 'at least one --export or a --library is needed',
  });

export type Config = Readonly<z.infer<typeof schema>>;

/** Throws StatusError badUsage, naming what is wrong. "help" when the text above was asked for. */
export function parseConfig(args: string[]): Config | 'help' {
  const flags = readFlags(args);
  if (flags.help) return 'help';
  const values = flags.config === undefined ? flags : { ...readConfigFile(flags.config), ...flags };
  const result = schema.safeParse({
    listen: values.listen ?? '127.0.0.1:10000',
    user: values.user,
    passwordFile: values['password-file'],
    exports: values.export ?? [],
    library: values.library,
    strict: values.strict ?? false,
    allowTextAuth: values['allow-text-auth'] ?? false,
    dumpDates: values['dump-dates'],
    dataPeers: values['data-peer'] ?? [],
    sessionsMax: values['sessions-max'] ?? '64',
  });
  if (result.success) return Object.freeze(result.data);
  const what = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new StatusError('badUsage', what.join('; '));
}

const fileSchema = z
  .object({
    listen: z.string(),
    user: z.string(),
    'password-file': z.string(),
    export: z.array(z.string()),
    library: z.string(),
    strict: z.boolean(),
    'allow-text-auth': z.boolean(),
    'dump-dates': z.string(),
    'data-peer': z.array(z.string()),
    'sessions-max': z.coerce.string(),
  })
  .partial()
  .strict();

/** Errors: 12 it cannot be read, 144 it is no such object. */
function readConfigFile(path: string): z.infer<typeof fileSchema> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new StatusError('fileOpenFailed', `the file ${path} cannot be read`, {}, { cause });
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    const why =
      cause instanceof z.ZodError
        ? cause.issues
            .map(({ path: at, message }) => `${at.join('.')} ${message}`.trim())
            .join('; ')
        : String(cause);
    throw new StatusError('badUsage', `${path}: ${why}`, {}, { cause });
  }
}

function readFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        listen: { type: 'string' },
        user: { type: 'string' },
        'password-file': { type: 'string' },
        export: { type: 'string', multiple: true },
        library: { type: 'string' },
        strict: { type: 'boolean' },
        'allow-text-auth': { type: 'boolean' },
        'dump-dates': { type: 'string' },
        'data-peer': { type: 'string', multiple: true },
        'sessions-max': { type: 'string' },
        config: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StatusError('badUsage', why, {}, { cause });
  }
}
