// The environment of DATA_START_BACKUP: what we set, what the policy sets, and where an incremental begins.

import type { EnvVar, ImagePlan } from '@tapestry/contracts';
import { type FilerQuirks, forType } from './quirks.ts';

/** Only we know these: a policy that sets them would break the image or its chain. */
const RESERVED = new Set(['FILESYSTEM', 'PREFIX', 'LEVEL', 'DIRECT', 'UPDATE', 'BASE_DATE']);

export interface BackupAsk {
  readonly path: string;
  readonly butype: string;
  readonly image: ImagePlan;
  /** What the policy sets. */
  readonly policyEnv: readonly EnvVar[];
  readonly quirks: FilerQuirks;
  /** HIST, unless the policy sets it. */
  readonly history: FilerQuirks['history'];
}

export interface BackupEnv {
  readonly env: readonly EnvVar[];
  /** The filer records a dump date by itself: bpdbm must know before the start. */
  readonly recordsDate: boolean;
  /** How the base was named, for the job's details. */
  readonly base: string;
}

export function lookUp(env: readonly EnvVar[], name: string): string | undefined {
  return env.findLast((pair) => pair.name === name)?.value;
}

export function backupEnv(ask: BackupAsk): BackupEnv {
  const { path, butype, image, policyEnv } = ask;
  const quirks = forType(ask.quirks, butype);
  const { chain, recordsDate, base } = chainOf(image, quirks);
  const fixed = Object.entries(quirks.backupEnv).map(([name, value]) => pair(name, value));
  const direct = quirks.direct === 'never' ? 'n' : 'y';
  const own = [
    ...[pair('FILESYSTEM', path), pair('PREFIX', path), pair('TYPE', butype)],
    ...[pair('HIST', ask.history), pair('DIRECT', direct), ...chain, ...fixed],
  ];
  const set = policyEnv.filter(({ name }) => !RESERVED.has(name) && name !== 'TYPE');
  const kept = own.filter(({ name }) => lookUp(set, name) === undefined);
  return { env: [...kept, ...set], recordsDate, base };
}

interface Chain {
  readonly chain: readonly EnvVar[];
  readonly recordsDate: boolean;
  readonly base: string;
}

/** Where the backup begins: a token of the base image, or a level that the filer looks up in its own dump dates. */
function chainOf(image: ImagePlan, quirks: FilerQuirks): Chain {
  const { level, baseEnv } = image;
  if (quirks.chain === 'token' && level === 0) {
    const { chainBegins } = quirks;
    const begin = chainBegins === '' ? pair('LEVEL', '0') : pair('BASE_DATE', chainBegins);
    return { chain: [begin, pair('UPDATE', 'n')], recordsDate: false, base: 'level 0' };
  }
  const token = lookUp(baseEnv, 'DUMP_DATE') ?? '';
  if (quirks.chain === 'token' && token !== '') {
    const carried = baseEnv.filter(({ name }) => quirks.carry.includes(name));
    const chain = [pair('BASE_DATE', token), pair('UPDATE', 'n'), ...carried];
    return { chain, recordsDate: false, base: describeToken(image, token) };
  }
  const asked = Math.min(level, quirks.levelMax);
  const base = asked === level ? `level ${level}` : `level ${level}, asked for as ${asked}`;
  return {
    ...{ chain: [pair('LEVEL', String(asked)), pair('UPDATE', 'y')], recordsDate: true, base },
  };
}

function describeToken({ level, baseBackupId }: ImagePlan, token: string): string {
  return `level ${level}, changes since ${baseBackupId} (${token})`;
}

/** What is kept with the image: the server's list, and what we sent and it did not return. */
export function envToKeep(sent: readonly EnvVar[], returned: readonly EnvVar[]): EnvVar[] {
  const missing = sent.filter(({ name }) => lookUp(returned, name) === undefined);
  return [...returned, ...missing].map(({ name, value }) => ({ name, value }));
}

function pair(name: string, value: string): EnvVar {
  return { name, value };
}
