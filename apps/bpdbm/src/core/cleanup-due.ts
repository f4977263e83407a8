// When the next cleanup of everything begins by itself.

export interface CleanupTimes {
  /** From the end of one to the beginning of the next. */
  readonly everyMs: number;
  /** After one that did not reach everything. */
  readonly retryMs: number;
  /** After a start of the daemon: the others are to be there too. */
  readonly firstMs: number;
}

export function cleanupIsDue(
  last: { readonly endedMs: number; readonly ok: boolean } | undefined,
  { startedMs, nowMs }: { readonly startedMs: number; readonly nowMs: number },
  { everyMs, retryMs, firstMs }: CleanupTimes,
): boolean {
  if (nowMs < startedMs + firstMs) return false;
  if (last === undefined) return true;
  return nowMs >= last.endedMs + (last.ok ? everyMs : Math.min(retryMs, everyMs));
}
