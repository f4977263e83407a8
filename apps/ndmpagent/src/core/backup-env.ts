// The environment of DATA_START_BACKUP: what we set, what the policy sets, and where an incremental begins.

import type { EnvVar, ImagePlan } from '@tapestry/contracts';
import type { FilerQuirks } from './quirks.ts';

/** Only we know these: a policy that sets them would break the image or its chain. */
const RESERVED = new Set(['FILESYSTEM', 'PREFIX', 'LEVEL', 'DIRECT', 'UPDATE', 'BASE_DATE']);
const CHAIN_BEGINS = '0';

export interface BackupAsk {
  readonly path: string;
  readonly butype: string;
  readonly image: ImagePlan;
  /** What the policy sets. */
  readonly policyEnv: readonly EnvVar[];
  readonly quirks: FilerQuirks;
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

export function backupEnv({ path, butype, image, policyEnv, quirks }: BackupAsk): BackupEnv {
  const token = image.level === 0 ? CHAIN_BEGINS : lookUp(image.baseEnv, 'DUMP_DATE');
  const byToken = quirks.takesTokens && token !== undefined && token !== '';
  const level = String(image.level);
  const chain = byToken
    ? [pair('BASE_DATE', token), pair('UPDATE', 'n')]
    : [pair('LEVEL', level), pair('UPDATE', 'y')];
  const own = [
    ...[pair('FILESYSTEM', path), pair('PREFIX', path), pair('TYPE', butype)],
    ...[pair('HIST', quirks.history), pair('DIRECT', 'y'), ...chain],
  ];
  const set = policyEnv.filter(({ name }) => !RESERVED.has(name) && name !== 'TYPE');
  const kept = own.filter(({ name }) => lookUp(set, name) === undefined);
  return {
    env: [...kept, ...set],
    recordsDate: !byToken,
    base: byToken ? describeToken(image, token) : `level ${level}`,
  };
}

function describeToken({ level, baseBackupId }: ImagePlan, token: string): string {
  return level === 0 ? 'level 0' : `level ${level}, changes since ${baseBackupId} (${token})`;
}

/** What is kept with the image: the server's list, and what we sent and it did not return. */
export function envToKeep(sent: readonly EnvVar[], returned: readonly EnvVar[]): EnvVar[] {
  const missing = sent.filter(({ name }) => lookUp(returned, name) === undefined);
  return [...returned, ...missing].map(({ name, value }) => ({ name, value }));
}

function pair(name: string, value: string): EnvVar {
  return { name, value };
}
