// When may a job start? Windows are wall-clock times of the server: seven of them, Sunday first, each a second of the
// day and how long it stays open, past midnight too. Windows that touch or overlap are one.

import type { Window } from '@tapestry/contracts';

/** How far the server's wall clock is ahead of UTC at a time, in milliseconds. */
export type OffsetAt = (epochMs: number) => number;

export interface OpenWindow {
  readonly openMs: number;
  /** Infinity for a window that never closes. */
  readonly closeMs: number;
}

const DAY_MS = 86_400_000;
/** A window may last a week, and the next one may be a week away. */
const DAYS_BACK = 8;
const DAYS_AHEAD = 15;

/** The window that is open at this time, or the next one to open; undefined when none ever does. */
export function nextWindow(
  windows: readonly Window[],
  fromMs: number,
  offsetAt: OffsetAt,
): OpenWindow | undefined {
  const today = Math.floor((fromMs + offsetAt(fromMs)) / DAY_MS);
  const open: OpenWindow[] = [];
  for (let day = today - DAYS_BACK; day <= today + DAYS_AHEAD; day++) {
    const window = windows[weekday(day)];
    if (window === undefined || window.durationS === 0) continue;
    const startMs = day * DAY_MS + window.startS * 1_000;
    const openMs = toEpochMs(startMs, offsetAt);
    const closeMs = toEpochMs(startMs + window.durationS * 1_000, offsetAt);
    const last = open.at(-1);
    if (last !== undefined && openMs <= last.closeMs) {
      open[open.length - 1] = { ...last, closeMs: Math.max(last.closeMs, closeMs) };
    } else open.push({ openMs, closeMs });
  }
  const found = open.find((window) => fromMs < window.closeMs);
  if (found === undefined) return undefined;
  const forEver = toEpochMs((today + DAYS_AHEAD) * DAY_MS, offsetAt);
  return found.closeMs >= forEver ? { ...found, closeMs: Number.POSITIVE_INFINITY } : found;
}

export function isOpen(windows: readonly Window[], nowMs: number, offsetAt: OffsetAt): boolean {
  const window = nextWindow(windows, nowMs, offsetAt);
  return window !== undefined && window.openMs <= nowMs;
}

/** Day 0 of the epoch was a Thursday. */
function weekday(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/** Wall-clock time to epoch; the second guess is right on days on which the clock is changed. */
function toEpochMs(wallMs: number, offsetAt: OffsetAt): number {
  const guess = wallMs - offsetAt(wallMs);
  return wallMs - offsetAt(guess);
}
