// Whether something is in use where only others know it: drives and volumes under a grant at nbrb, units and pools that
// policies at bpdbm name. Asked before a deletion, outside of its transaction: while the neighbour is away nothing that
// it may use is deleted. A grant made in between finds its drive gone when it mounts, and its job asks again.

import type { DumpReply, Grant, Policy } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { inUse, type Parts } from './parts.ts';

/** Each grant, also those that were given together with another. */
function everyGrant({ grants }: DumpReply): Grant[] {
  const flat = (grant: Grant): Grant[] => [grant, ...grant.more.flatMap(flat)];
  return grants.flatMap(({ grant }) => (grant === null ? [] : flat(grant)));
}

/** Errors: 2004 a drive is granted, or nobody knows whether it is idle. */
export async function requireIdleDrives(
  { nbrb }: Parts,
  concerned: (drive: string) => boolean,
): Promise<void> {
  const dump = await nbrb.Dump({});
  for (const { drive, attempt } of everyGrant(dump)) {
    const name = drive?.name ?? '';
    if (concerned(name)) {
      const why = `drive ${name} is in use by job ${attempt?.jobId}`;
      throw new StatusError('driveAllocated', why, { drive: name });
    }
  }
  const lost = dump.unknown.find(({ kind, name }) => kind === 'drive' && concerned(name));
  if (lost !== undefined) {
    const why = `whether drive ${lost.name} is idle is not known: ${lost.reason}`;
    throw new StatusError('driveAllocated', why, { drive: lost.name });
  }
}

/** Errors: 97 a volume is granted, or nobody knows whether it is idle. */
export async function requireIdleVolumes(
  { nbrb }: Parts,
  mediaIds: ReadonlySet<string>,
): Promise<void> {
  const dump = await nbrb.Dump({});
  const held = [
    ...everyGrant(dump).map(({ volume }) => volume?.mediaId ?? ''),
    ...dump.unknown.filter(({ kind }) => kind === 'volume').map(({ name }) => name),
  ].find((mediaId) => mediaIds.has(mediaId));
  if (held !== undefined) {
    throw new StatusError('mediaInUse', `volume ${held} is in use`, { mediaId: held });
  }
}

/** Errors: 224 a job writes to it. */
export async function requireIdleUnit({ nbrb }: Parts, label: string): Promise<void> {
  const grant = everyGrant(await nbrb.Dump({})).find(({ storageUnit }) => storageUnit === label);
  if (grant !== undefined) {
    throw inUse(`storage unit ${label} is in use by job ${grant.attempt?.jobId}`);
  }
}

/** Errors: 224 with the policy's name. */
export async function requireUnnamed(
  { bpdbm }: Parts,
  what: string,
  names: (policy: Policy) => boolean,
): Promise<void> {
  const { policies } = await bpdbm.ListPolicies({ inactiveToo: true });
  const policy = policies.find(names);
  if (policy !== undefined) throw inUse(`policy ${policy.name} names ${what}: change it first`);
}

export function namesResidence(label: string): (policy: Policy) => boolean {
  return (policy) =>
    policy.residence === label || policy.schedules.some(({ residence }) => residence === label);
}

export function namesPool(pool: string): (policy: Policy) => boolean {
  return (policy) => policy.pool === pool || policy.schedules.some((each) => each.pool === pool);
}
