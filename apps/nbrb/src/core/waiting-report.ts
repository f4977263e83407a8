// When a waiting job is told why it waits: at once the first time, then when the reason changes, but not more often
// than every so long. With hundreds of jobs behind one drive each release would else cost hundreds of updates.

export interface Told {
  readonly reason: string;
  readonly atMs: number;
}

export const TELL_EVERY_MS = 30_000;

export function shouldTell(told: Told | undefined, reason: string, nowMs: number): boolean {
  if (told === undefined) return true;
  return told.reason !== reason && nowMs - told.atMs >= TELL_EVERY_MS;
}

/** One line of reasons, for the job's state details. */
export function inWords(reasons: readonly string[]): string {
  const [first = 'waits for resources', ...more] = reasons;
  return more.length === 0
    ? first
    : `${first} (and ${more.length} more: ${more.join('; ')})`.slice(0, 500);
}
