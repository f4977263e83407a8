// Whose a recovered object becomes, and with which mode: the image's own where this server may give
// files away, an export's fixed owner where it has one. Bits that lend a user's rights never end up with
// another user than the image says.

import type { Member } from './tar-encode.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Ownership {
  /** Undefined leaves the object with this server's user. */
  readonly owner: Owner | undefined;
  readonly mode: number;
}

export interface OwnershipFacts {
  readonly mayChangeOwner: boolean;
  /** What the export maps every owner to. */
  readonly forced: Owner | undefined;
  readonly ownUid: number;
}

const LENDS_RIGHTS = 0o6000;

export function ownershipOf(
  { uid, gid, mode }: Pick<Member, 'uid' | 'gid' | 'mode'>,
  { mayChangeOwner, forced, ownUid }: OwnershipFacts,
): Ownership {
  const owner = mayChangeOwner ? (forced ?? { uid, gid }) : undefined;
  const isSame = (owner?.uid ?? ownUid) === uid && (owner === undefined || owner.gid === gid);
  const isSafe = isSame && forced === undefined;
  return { owner, mode: isSafe ? mode : mode & ~LENDS_RIGHTS };
}
