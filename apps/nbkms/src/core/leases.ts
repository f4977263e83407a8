// Calls that quiesce the store, counted and owned: while one lives, nothing is changed. Each call adds one; a call that
// ends takes its own, or the newest that nobody named.

import { StatusError } from '@tapestry/status';

export interface Lease {
  readonly id: string;
  /** Empty: anonymous, ended by any unquiesce without a name. */
  readonly name: string;
  /** Who asked. */
  readonly by: string;
  readonly startedMs: number;
  /** 0: never. */
  readonly endsMs: number;
  /** Of the store when it began. */
  readonly generation: string;
}

export const TTL_MAX_MS = 24 * 60 * 60 * 1_000;
export const TTL_DEFAULT_MS = 4 * 60 * 60 * 1_000;
const LEASES_MAX = 1_000;
const NAME_MAX = 255;

/** What stands where the file of leases can't be read: the store stays closed until somebody decides. */
export const UNKNOWN_LEASE: Lease = {
  ...{ id: 'unknown', name: 'unknown', by: 'unknown', startedMs: 0, endsMs: 0, generation: '0' },
};

/** Errors: 1206 a named one is there, 1209. */
export function takeLease(leases: readonly Lease[], lease: Lease): readonly Lease[] {
  if (lease.name.length > NAME_MAX || /\p{Cc}/u.test(lease.name)) {
    throw new StatusError('kmsUsage', `a quiesce call's name has at most ${NAME_MAX} signs`);
  }
  if (lease.endsMs !== 0 && lease.endsMs - lease.startedMs > TTL_MAX_MS) {
    throw new StatusError(
      'kmsUsage',
      'a quiesce call lasts at most 24 hours, or (0) until it ends',
    );
  }
  if (lease.name !== '' && leases.some(({ name }) => name === lease.name)) {
    throw new StatusError('kmsUsage', `there is a quiesce call named ${lease.name} already`);
  }
  if (leases.length >= LEASES_MAX) {
    throw new StatusError('kmsUsage', `there are ${LEASES_MAX} quiesce calls already`);
  }
  return [...leases, lease];
}

/** Without a name: the newest anonymous one. Errors: 1205 none is left, 1206 none of this name. */
export function endLease(
  leases: readonly Lease[],
  name: string,
): { readonly leases: readonly Lease[]; readonly ended: Lease } {
  if (leases.length === 0) {
    throw new StatusError('kmsNotQuiesced', 'no quiesce call is outstanding');
  }
  const ended = leases.findLast((lease) => lease.name === name);
  if (ended === undefined) {
    const others = leases.map((lease) => lease.name).filter((each) => each !== '');
    const why =
      name === ''
        ? `only named quiesce calls are outstanding (${others.join(', ')}): say -lease NAME, or -all`
        : `no quiesce call is named ${name}`;
    throw new StatusError('kmsLeaseUnknown', why);
  }
  return { leases: leases.filter((lease) => lease !== ended), ended };
}

/** Those whose time is over at `nowMs`, and those that are left. */
export function expireLeases(
  leases: readonly Lease[],
  nowMs: number,
): { readonly leases: readonly Lease[]; readonly expired: readonly Lease[] } {
  const isOver = ({ endsMs }: Lease) => endsMs !== 0 && endsMs <= nowMs;
  return {
    leases: leases.filter((lease) => !isOver(lease)),
    expired: leases.filter(isOver),
  };
}
