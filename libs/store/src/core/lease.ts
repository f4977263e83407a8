// What an instance may say about its lease, from what it last heard. Pure: times are given.

/** standby: another leads. notReady: leads as far as it knows, but may not act now. lost: a newer epoch exists. */
export type LeaseState = 'standby' | 'leader' | 'notReady' | 'lost';

export interface LeaseFacts {
  /** The epoch that this instance took; undefined while it leads nothing. */
  epoch: bigint | undefined;
  /** A newer epoch was seen; it never leads again in this process. */
  superseded: boolean;
  /** The last talk with the database succeeded. */
  reachable: boolean;
  /** Until when the last acknowledged renewal holds, on the clock that `nowMs` is read from. */
  heldUntilMs: number;
}

/**
 * The state now. A leader whose renewal is overdue (a process that was paused, a database that does not
 * answer) is notReady although nobody may have taken over: only the database can tell.
 */
export function leaseState(facts: LeaseFacts, nowMs: number): LeaseState {
  if (facts.superseded) return 'lost';
  if (facts.epoch === undefined) return facts.reachable ? 'standby' : 'notReady';
  return facts.reachable && nowMs < facts.heldUntilMs ? 'leader' : 'notReady';
}
