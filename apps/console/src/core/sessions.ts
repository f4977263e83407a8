// Who is logged in. Sessions live in memory: a restart of the console asks people to log in again, and nothing
// that could be stolen lies on disk. Tokens are kept as digests; the caller makes both.

export interface Session {
  readonly user: string;
  readonly startedMs: number;
  readonly expiresMs: number;
}

export type Sessions = ReadonlyMap<string, Session>;

export interface SessionLimits {
  readonly lifeMs: number;
  readonly sessionsMax: number;
}

/** Adds a session; expired ones go, and the oldest when there are too many. */
export function addSession(
  sessions: Sessions,
  { digest, user }: { readonly digest: string; readonly user: string },
  nowMs: number,
  limits: SessionLimits,
): { sessions: Sessions; session: Session } {
  const session = { user, startedMs: nowMs, expiresMs: nowMs + limits.lifeMs };
  const live = [...sessions].filter(([, { expiresMs }]) => expiresMs > nowMs);
  live.sort(([, a], [, b]) => a.startedMs - b.startedMs);
  const kept = live.slice(Math.max(0, live.length - limits.sessionsMax + 1));
  return { sessions: new Map([...kept, [digest, session]]), session };
}

export function findSession(sessions: Sessions, digest: string, nowMs: number): Session | null {
  const session = sessions.get(digest);
  return session !== undefined && session.expiresMs > nowMs ? session : null;
}

export function removeSession(sessions: Sessions, digest: string): Sessions {
  return new Map([...sessions].filter(([key]) => key !== digest));
}
