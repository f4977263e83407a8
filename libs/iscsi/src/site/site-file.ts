// What a media server says of its iSCSI targets, in a file of its own: its initiator name, CHAP and digests by target.
// Secrets stand in further files that it names; they are read for each login, so that a changed one needs no restart.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import { z } from 'zod';
import type { ChapCredentials } from '../login/chap.ts';
import type { PortalOptions } from '../net/iscsi-session.ts';

/** Which host logs in, and where it says how. A file that is not `required` may be missing: then it says nothing. */
export interface IscsiPlace {
  readonly host: string;
  readonly file: string;
  readonly required: boolean;
}

const DEFAULT_FILE = 'iscsi.json';
/** Applies to targets that are not named. */
const ANY_TARGET = '*';

const digest = z.enum(['off', 'allowed', 'preferred', 'required']);
const chap = z.strictObject({
  user: z.string().min(1),
  /** Relative to the folder of this file. */
  secretFile: z.string().min(1),
  hashes: z
    .array(z.enum(['md5', 'sha1', 'sha256', 'sha3-256']))
    .min(1)
    .optional(),
  /** What the target must prove in turn. */
  target: z.strictObject({ user: z.string().optional(), secretFile: z.string().min(1) }).optional(),
});
const target = z.strictObject({
  chap: chap.optional(),
  headerDigest: digest.optional(),
  dataDigest: digest.optional(),
});
const schema = z.strictObject({
  initiatorName: z
    .string()
    .regex(
      /^(?:iqn|eui|naa)\.[a-z0-9.:-]{1,219}$/,
      'an iSCSI name, as iqn.2026-01.org.example:host',
    )
    .optional(),
  /** By target name, `*` for those that are not named. */
  targets: z.record(z.string(), target).default({}),
  /** For discovery sessions. */
  discovery: z.strictObject({ chap: chap.optional() }).default({}),
});

type ChapOfFile = z.infer<typeof chap>;

/** What a session is opened with, but for portal and isid. */
export type IscsiAccess = Omit<PortalOptions, 'portal' | 'isid'>;

/** `configured`: the file that a daemon was told; empty: `iscsi.json` in the state folder, where there is one. */
export function iscsiPlace(host: string, configured: string, stateDir: string): IscsiPlace {
  const required = configured !== '';
  return { host, file: required ? configured : join(stateDir, DEFAULT_FILE), required };
}

/** How this host logs in to a target; null: for discovery. Errors: 12 a file cannot be read, 223 it is wrong. */
export function accessTo(targetName: string | null, place: IscsiPlace): IscsiAccess {
  const ours = readSite(place);
  const initiatorName = ours.initiatorName ?? defaultName(place.host);
  const { chap, ...digests } =
    targetName === null
      ? ours.discovery
      : (ours.targets[targetName] ?? ours.targets[ANY_TARGET] ?? {});
  const proof = chap === undefined ? {} : { chap: credentials(chap, dirname(place.file)) };
  return { initiatorName, ...proof, ...defined(digests) };
}

/** Nobody's domain: who wants a name of the own sets one. */
function defaultName(host: string): string {
  return `iqn.2026-01.invalid.tapestry:${host.toLowerCase()}`;
}

function readSite({ file, required }: IscsiPlace): z.infer<typeof schema> {
  if (!required && !existsSync(file)) return schema.parse({});
  const text = readFile(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new StatusError('invalidEntry', `${file} is no JSON`, {}, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StatusError('invalidEntry', `${file}: ${issue?.path.join('.')}: ${issue?.message}`);
}

function credentials(
  { user, secretFile, hashes, target }: ChapOfFile,
  dir: string,
): ChapCredentials {
  const secret = (name: string): Buffer =>
    Buffer.from(readFile(resolve(dir, name)).replace(/\r?\n$/, ''));
  return {
    ...{ user, secret: secret(secretFile) },
    ...(hashes ? { hashes } : {}),
    ...(target
      ? {
          target: {
            ...(target.user === undefined ? {} : { user: target.user }),
            secret: secret(target.secretFile),
          },
        }
      : {}),
  };
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new StatusError('fileOpenFailed', `${path} cannot be read`, {}, { cause: error });
  }
}

function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
