// The last changes of the job list, kept so that a reader that was away a moment goes on where it stopped. A
// position is `<epoch>.<sequence>`: bpjobd numbers its changes, and the epoch changes whenever that numbering breaks
// (bpjobd or this process started again, or a change was missed), so a stale position is never taken for a good one.

export interface RingEvent<T> {
  readonly sequence: number;
  readonly event: T;
}

export interface Ring<T> {
  readonly epoch: number;
  /** Of the newest change heard; null before the first. */
  readonly newest: number | null;
  readonly events: readonly RingEvent<T>[];
}

export interface RingLimits {
  readonly eventsMax: number;
}

export function emptyRing<T>(epoch: number): Ring<T> {
  return { epoch, newest: null, events: [] };
}

export type Added = 'next' | 'repeat' | 'gap';

/**
 * Adds a change. `gap`: readers must fetch again, because changes before this one were missed or the numbering
 * started over. The array is grown in place and cut by halves, so that a change costs no copy.
 */
export function addToRing<T>(
  ring: Ring<T>,
  added: RingEvent<T>,
  { eventsMax }: RingLimits,
): { ring: Ring<T>; added: Added } {
  const { newest } = ring;
  if (newest !== null && added.sequence === newest) return { ring, added: 'repeat' };
  if (newest !== null && added.sequence !== newest + 1) {
    const next = { epoch: ring.epoch + 1, newest: added.sequence, events: [added] };
    return { ring: next, added: 'gap' };
  }
  const events = ring.events as RingEvent<T>[];
  events.push(added);
  const kept = events.length > eventsMax ? events.slice(-Math.ceil(eventsMax / 2)) : events;
  return { ring: { ...ring, newest: added.sequence, events: kept }, added: 'next' };
}

/** A break that no change told of: the bus was away. */
export function breakRing<T>(ring: Ring<T>): Ring<T> {
  return { epoch: ring.epoch + 1, newest: null, events: [] };
}

export function formatCursor(epoch: number, sequence: number): string {
  return `${epoch}.${sequence}`;
}

/** What a reader that has seen everything up to `cursor` still lacks; null when it must fetch again. */
export function resumeFrom<T>(ring: Ring<T>, cursor: string): readonly RingEvent<T>[] | null {
  const [, epoch, sequence] = /^(\d{1,16})\.(\d{1,16})$/.exec(cursor) ?? [];
  if (epoch === undefined || Number(epoch) !== ring.epoch) return null;
  const seen = Number(sequence);
  // Nothing heard in this epoch yet: whatever comes next shows whether it follows.
  if (ring.newest === null) return [];
  if (seen >= ring.newest) return [];
  const first = ring.events[0]?.sequence;
  return first === undefined || seen + 1 < first ? null : ring.events.slice(seen + 1 - first);
}

export interface Check {
  /** The ring's newest when bpjobd was asked. */
  readonly newestBefore: number | null;
  /** What bpjobd then said its newest change is. */
  readonly told: number;
  /** What it had said one check earlier, when that had not been heard yet. */
  readonly awaited: number | null;
}

/**
 * Compares what was heard with what bpjobd says it sent. A change may be on its way, so it counts as lost only when
 * it is still missing at the next check; a number below one that was heard means that the numbering started over.
 */
export function checkRing<T>(
  ring: Ring<T>,
  { newestBefore, told, awaited }: Check,
): { ring: Ring<T>; lost: boolean; awaited: number | null } {
  if (ring.newest === null) return { ring: { ...ring, newest: told }, lost: false, awaited: null };
  const startedOver = newestBefore !== null && told < newestBefore;
  const stillMissing = awaited !== null && ring.newest < awaited;
  if (startedOver || stillMissing) return { ring: breakRing(ring), lost: true, awaited: null };
  return { ring, lost: false, awaited: told > ring.newest ? told : null };
}
