// A disk storage unit as a stream holds it: nothing is mounted, and nbrb itself says whether the grant still holds.
// Promises that of a stream that failed nothing stays on the disk.

import type { Client } from '@tapestry/bus';
import { type Lease, refOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { removeLeftover } from '../drive-process/disk-place.ts';
import type { DiskUnit } from '../drive-process/messages.ts';
import type { Hold } from './tape-hold.ts';

export interface DiskHoldParts {
  readonly nbrb: Client<'nbrb'>;
  readonly host: string;
  readonly lease: Lease;
  readonly unit: DiskUnit;
  /** How long a renewal lasts (T1). */
  readonly leaseMs: number;
  /** The image that a stream writes; null: it reads. */
  readonly writes: { readonly backupId: string; readonly copy: number } | null;
}

export function diskHold({ nbrb, host, lease, unit, leaseMs, writes }: DiskHoldParts): Hold {
  return {
    mounts: false,
    mount: async () => unit.dir,
    renew: async () => {
      const { invalid } = await nbrb.RenewGrants({ host, grants: [refOf(lease)] });
      return { valid: invalid.length === 0, validForMs: BigInt(leaseMs) };
    },
    giveBack: async ({ failed }, signal) => {
      if (!failed || writes === null) return;
      const { grantId, epoch } = lease;
      await untilAnswered(() => removeLeftover(unit, writes, { grantId, epoch }), { signal });
    },
  };
}
