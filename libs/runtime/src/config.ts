// Configuration of a daemon: one schema, defaults < file < environment, unknown keys are errors, parsed once.

import { readFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hostToken } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { z } from 'zod';

/** What every daemon is told in the same way, as TAPESTRY_… in the environment. */
export const baseSchema = z
  .object({
    /** The bus: nats://host:port, several with commas. */
    natsUrl: z.string().default('nats://127.0.0.1:4222'),
    natsPasswordFile: z.string().optional(),
    /** Certificate authority of the bus: asks for TLS. */
    natsCaFile: z.string().optional(),
    /** Host id of a media server's daemons; the host's own name when left out. */
    host: z
      .string()
      .default(() => hostToken(hostname()))
      .transform(hostToken),
    /** Names this instance among those of its service: a leader that restarts under its name leads again at once. */
    instance: z.string().default('1'),
    /** Where health, metrics (and for some daemons more) are served. */
    httpHost: z.string().default('127.0.0.1'),
    httpPort: z.coerce.number().int().min(0).max(65_535).default(0),
    /** Files that must survive: each daemon has a folder of its name in it. */
    stateDir: z.string().default(() => join(tmpdir(), 'tapestry')),
    logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    databaseUrl: z.string().optional(),
    databasePasswordFile: z.string().optional(),
  })
  .strict();

export type BaseConfig = Readonly<z.infer<typeof baseSchema>>;

export interface ParsedConfig<C> {
  readonly base: BaseConfig;
  readonly config: Readonly<C>;
  readonly mode: 'run' | 'check' | 'print' | 'help';
}

export interface ConfigSource {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

const FLAGS = {
  config: { type: 'string' },
  'check-config': { type: 'boolean' },
  'print-config': { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/**
 * Reads flags, file and environment. Keys of the daemon itself are `<SERVICE>_<KEY>` in the environment
 * (`NBRB_LEASE_T2_MS`), and stand under `daemon` in the file; those of every daemon under `base`.
 * Errors: 20 with every wrong key named.
 */
export function parseConfig<S extends z.ZodType>(
  service: string,
  schema: S,
  source: ConfigSource,
): ParsedConfig<z.infer<S>> {
  const { values } = parseArgs({ args: [...source.argv], options: FLAGS, strict: true });
  const file = values.config === undefined ? {} : readConfigFile(values.config);
  const base = checked(baseSchema, {
    ...section(file, 'base'),
    ...fromEnv('TAPESTRY', source.env),
  });
  const config = checked(schema, {
    ...section(file, 'daemon'),
    ...fromEnv(service.toUpperCase(), source.env),
  });
  const mode = values.help
    ? 'help'
    : values['check-config']
      ? 'check'
      : values['print-config']
        ? 'print'
        : 'run';
  return { base: Object.freeze(base), config: Object.freeze(config), mode };
}

function checked<S extends z.ZodType>(schema: S, values: unknown): z.infer<S> {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const what = result.error.issues
    .map((issue) => `${issue.path.join('.') || 'configuration'}: ${issue.message}`)
    .join('; ');
  throw new StatusError('invalidParameter', `the configuration is wrong: ${what}`);
}

function readConfigFile(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new StatusError(
      'invalidParameter',
      `the configuration file ${path} cannot be read`,
      {},
      {
        cause: error,
      },
    );
  }
}

function section(file: Record<string, unknown>, name: string): Record<string, unknown> {
  const unknown = Object.keys(file).filter((key) => key !== 'base' && key !== 'daemon');
  if (unknown.length > 0) {
    throw new StatusError(
      'invalidParameter',
      `the configuration file has unknown parts: ${unknown}`,
    );
  }
  return (file[name] ?? {}) as Record<string, unknown>;
}

/** NBRB_LEASE_T2_MS → leaseT2Ms. An empty value counts as not given: compose files make them. */
function fromEnv(
  prefix: string,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(`${prefix}_`) || value === undefined || value === '') continue;
    const key = name
      .slice(prefix.length + 1)
      .toLowerCase()
      .replaceAll(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
    found[key] = value;
  }
  return found;
}

/** The content of a secret file without its last line end. Errors: 12 naming the file, never the content. */
export function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new StatusError(
      'fileOpenFailed',
      `the secret file ${path} cannot be read`,
      {},
      { cause: error },
    );
  }
}
