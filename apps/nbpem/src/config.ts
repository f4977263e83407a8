// Settings of nbpem. Who turns one, and when, stands beside it.

import { z } from 'zod';

const ms = (least: number) => z.coerce.number().int().min(least);
const HOUR_MS = 3_600_000;

export const config = z
  .object({
    /** How often schedules are looked at: more often only in tests. */
    tickMs: ms(10).default(5_000),
    /** How long a change of a policy may take when no event told of it. */
    policyUpdateMs: ms(100).default(600_000),
    /** NetBackup's "job retry delay". */
    retryDelayMs: ms(0).default(600_000),
    /** NetBackup's "schedule backup attempts": so many tries per period. */
    triesMax: z.coerce.number().int().min(1).default(2),
    triesPeriodMs: ms(1_000).default(12 * HOUR_MS),
    /** NetBackup's "maximum jobs per client"; 0 for no limit. */
    maxJobsPerClient: z.coerce.number().int().min(0).default(0),
    /** Whose wall clock windows follow, as `Europe/Berlin`; the host's own when left out. */
    timeZone: z.string().default(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
    /** How long ended tasks and tries are kept: longer than the period above. */
    keepMs: ms(60_000).default(14 * 24 * HOUR_MS),
  })
  .strict();

export type Config = z.infer<typeof config>;
