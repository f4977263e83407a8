// How often a password may be tried. Two windows: one for an address and user together, so that a stranger cannot
// lock an operator out from elsewhere, and a wider one for the address alone, so that names cannot be tried in turn.

export interface Failures {
  readonly count: number;
  readonly firstMs: number;
}

export type LoginFailures = ReadonlyMap<string, Failures>;

export interface LoginRules {
  readonly windowMs: number;
  readonly perUserMax: number;
  readonly perAddressMax: number;
  /** Keys that are remembered; beyond it the oldest go. */
  readonly keysMax: number;
}

export const LOGIN_RULES: LoginRules = {
  windowMs: 15 * 60_000,
  perUserMax: 5,
  perAddressMax: 30,
  keysMax: 10_000,
};

export interface LoginAttempt {
  readonly address: string;
  readonly user: string;
}

/** 0 when the attempt may be made, otherwise how long to wait (ms). */
export function waitBeforeLogin(
  failures: LoginFailures,
  attempt: LoginAttempt,
  nowMs: number,
  rules: LoginRules,
): number {
  const waits = keysOf(attempt, rules).map(([key, max]) => {
    const found = failures.get(key);
    if (found === undefined || found.count < max) return 0;
    return Math.max(0, found.firstMs + rules.windowMs - nowMs);
  });
  return Math.max(...waits);
}

/** Counts an attempt before its password is looked at, so that parallel guesses count too. */
export function countAttempt(
  failures: LoginFailures,
  attempt: LoginAttempt,
  nowMs: number,
  rules: LoginRules,
): LoginFailures {
  const next = new Map([...failures].filter(([, { firstMs }]) => firstMs + rules.windowMs > nowMs));
  for (const [key] of keysOf(attempt, rules)) {
    const found = next.get(key);
    next.delete(key);
    next.set(key, { count: (found?.count ?? 0) + 1, firstMs: found?.firstMs ?? nowMs });
  }
  return new Map([...next].slice(-rules.keysMax));
}

/** A good password forgets the failures of this user at this address. */
export function forgiveAttempt(
  failures: LoginFailures,
  attempt: LoginAttempt,
  rules: LoginRules,
): LoginFailures {
  const own = new Set(keysOf(attempt, rules).map(([key]) => key));
  return new Map([...failures].filter(([key]) => !own.has(key)));
}

function keysOf({ address, user }: LoginAttempt, rules: LoginRules): [string, number][] {
  return [
    [`a ${address}`, rules.perAddressMax],
    [`u ${address} ${user}`, rules.perUserMax],
  ];
}
