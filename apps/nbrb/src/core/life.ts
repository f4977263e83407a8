// The life of a grant: assigning → active → releasing → (free), or lost. What each event makes of it, alone or as one of
// several streams that share a drive. Promises: a drive is free only when nobody was told of its grant, or when its host
// says that it is idle; while one stream of a group lives, the drive stays with the group.

export type GrantState = 'assigning' | 'active' | 'releasing' | 'lost';

export interface Member {
  readonly grantId: string;
  readonly state: GrantState;
}

/** Its attempt may use the drive, now or in a moment. */
export function isLive({ state }: Member): boolean {
  return state === 'assigning' || state === 'active';
}

/**
 * What giving back a grant calls for. `leave`: the drive stays with the other streams. `free`: nobody was told of it.
 * `confirm`: its host must say that the drive is idle.
 */
export function onRelease(
  grant: Member,
  group: readonly Member[],
): 'nothing' | 'leave' | 'free' | 'confirm' {
  if (!isLive(grant)) return 'nothing';
  if (othersLive(grant, group)) return 'leave';
  return grant.state === 'assigning' ? 'free' : 'confirm';
}

export function othersLive(grant: Member, group: readonly Member[]): boolean {
  return group.some((each) => each.grantId !== grant.grantId && isLive(each));
}

/** Its writer was not heard of for so long that it has stopped by itself: the grant is lost. */
export function isSilent(
  { state, renewedMs }: { readonly state: GrantState; readonly renewedMs: number },
  nowMs: number,
  leaseT2Ms: number,
): boolean {
  return state === 'active' && renewedMs < nowMs - leaseT2Ms;
}

/** A drive that its host could not call idle yet: asked again for a while, then unknown. */
export function onDoubt(
  releaseMs: number,
  nowMs: number,
  releaseWaitMs: number,
): 'ask again' | 'unknown' {
  return nowMs - releaseMs < releaseWaitMs ? 'ask again' : 'unknown';
}
