// What a stream writes on or reads from, held by its grant: mounted, renewed and given back. Here a volume in a drive,
// which ltid keeps.

import type { Client } from '@tapestry/bus';
import type { Grant } from '@tapestry/contracts';
import { type Lease, refOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import type { Renewal } from '../lease-renewer.ts';

export interface HoldOutcome {
  /** What the stream wrote does not count. */
  readonly failed: boolean;
  /** What the drive said of itself and its volume. */
  readonly tapeAlerts: readonly number[];
  /** Why nobody can use it now; empty for nothing known. */
  readonly doubt: string;
}

export interface Hold {
  /** There is something to wait for until it is ready. */
  readonly mounts: boolean;
  /**
   * Resolves with the path for the drive process. `tapeAlerts`: of the volume before, where the image goes on. Errors:
   * those of ltid; an aborted signal.
   */
  mount(grant: Grant | null, tapeAlerts: readonly number[], signal: AbortSignal): Promise<string>;
  renew(writerPid: number): Promise<Renewal>;
  /** Resolves once it was taken back. Errors: the lease is another's. */
  giveBack(outcome: HoldOutcome, signal: AbortSignal): Promise<void>;
}

/** A mount that takes longer is asked for again, and joined: so an ltid that died is noticed. */
const MOUNT_ASK_MS = 15_000;
/** What is worth asking ltid again: it is away, or the robot is busy. */
const MOUNT_AGAIN = new Set<string>([
  ...['cannotConnect', 'connectTimedOut', 'networkBroken', 'interrupted', 'resourcesBusy'],
  ...['ltidNotActive'],
]);

export function tapeHold(ltid: Client<'ltid'>, lease: Lease): Hold {
  return {
    mounts: true,
    mount: async (grant, tapeAlerts, signal) => {
      const request = { grant, tapeAlerts: [...tapeAlerts] };
      const { drivePath } = await untilAnswered(
        (call) => ltid.Mount(request, { signal: call, deadlineMs: MOUNT_ASK_MS }),
        { signal, isAnswer: ({ status }) => !MOUNT_AGAIN.has(status) },
      );
      return drivePath;
    },
    renew: (writerPid) => ltid.RenewMount({ grant: refOf(lease), writerPid }),
    giveBack: async ({ tapeAlerts, doubt }, signal) => {
      const request = { grant: refOf(lease), tapeAlerts: [...tapeAlerts], doubt };
      await untilAnswered((call) => ltid.Unmount(request, { signal: call }), { signal });
    },
  };
}
