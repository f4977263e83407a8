// Is this request well-formed and permitted? Pure: what is known about policy and rights is given.

import type { Policy, SubmitBackupRequest, SubmitRestoreRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Rights } from './admission.ts';

const PATHS_MAX = 10_000;
/** Paths beyond the system's 4,096 exist on filers, reached folder by folder. */
const PATH_BYTES_MAX = 65_536;
const SLASH = 0x2f;

/** Errors: 133, 117. */
export function validateBackup(request: SubmitBackupRequest, rights: Rights): void {
  checkRights(rights);
  checkId(request.requestId);
  if (request.policy === '') throw new StatusError('invalidRequest', 'name the policy to run');
}

/** Errors: 247, 197, 239. What a policy without a named schedule or client runs is nbpem's to say. */
export function validateAgainstPolicy(request: SubmitBackupRequest, policy: Policy): void {
  const { schedule, client } = request;
  if (!policy.active) {
    const detail = `policy ${policy.name} is inactive: activate it first`;
    throw new StatusError('policyInactive', detail);
  }
  if (schedule !== '' && !policy.schedules.some((each) => each.name === schedule)) {
    const known = policy.schedules.map((each) => each.name).join(', ') || 'none';
    const detail = `policy ${policy.name} has no schedule ${schedule} (it has: ${known})`;
    throw new StatusError('scheduleMissing', detail);
  }
  if (client !== '' && !policy.clients.includes(client)) {
    const detail = `${client} is not a client of policy ${policy.name}`;
    throw new StatusError('clientNotInPolicy', detail);
  }
}

/** Errors: 133, 117, 104 a path that cannot be. */
export function validateRestore(request: SubmitRestoreRequest, rights: Rights): void {
  checkRights(rights);
  checkId(request.requestId);
  const { client, paths, startS, endS, renames } = request;
  if (client === '') throw new StatusError('invalidRequest', 'name the client to restore from');
  if (paths.length === 0) throw new StatusError('invalidRequest', 'name the files to restore');
  if (paths.length > PATHS_MAX) {
    const detail = `more than ${PATHS_MAX} paths in one restore: name folders`;
    throw new StatusError('invalidRequest', detail);
  }
  for (const path of paths) checkPath(path);
  if (endS !== 0n && startS > endS) {
    throw new StatusError('invalidRequest', 'the time span ends before it begins');
  }
  for (const { from, to } of renames) {
    checkPath(from);
    checkPath(to);
  }
}

function checkPath(path: Uint8Array): void {
  if (path[0] === SLASH && path.length <= PATH_BYTES_MAX && !path.includes(0)) return;
  const shown = Buffer.from(path.subarray(0, 80)).toString();
  throw new StatusError('invalidPath', `'${shown}' is not a whole path from the root`);
}

export function checkId(requestId: string): void {
  if (requestId === '') throw new StatusError('invalidRequest', 'a request needs an id');
}

export function checkRights({ allowed, reason }: Rights): void {
  if (!allowed) throw new StatusError('accessDenied', reason || 'the admission rule refuses this');
}
