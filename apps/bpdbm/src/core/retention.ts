// How long images are kept: NetBackup's retention levels with their default periods, by number.

const DAY_S = 86_400n;
const INFINITY_LEVEL = 9;
const AT_ONCE_LEVEL = 25;
export const RETENTION_LEVEL_MAX = 100;
/** What NetBackup prints for "never". */
export const NEVER_S = 2_147_483_647n;

/** Months are of 31 days, as bpretlevel has them. */
const PERIODS_S: readonly bigint[] = [
  ...[7n, 14n, 21n, 31n, 62n, 93n, 186n, 279n, 365n].map((days) => days * DAY_S),
];

/** Epoch seconds after which an image of this level may go. Levels 9 and above never end, 25 ends at once. */
export function expirationOf(level: number, backupTimeS: bigint): bigint {
  if (level === AT_ONCE_LEVEL) return backupTimeS;
  const period = level < INFINITY_LEVEL ? PERIODS_S[level] : undefined;
  return period === undefined ? NEVER_S : backupTimeS + period;
}
