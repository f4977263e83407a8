// Settings of bpjobd. Who turns one, and when, stands beside it.

import { z } from 'zod';

const DAY_MS = 24 * 60 * 60 * 1_000;

export const config = z
  .object({
    /** How long records of jobs that are done are kept (NetBackup's "keep all jobs" property). */
    keepMs: z.coerce
      .number()
      .int()
      .min(60_000)
      .default(30 * DAY_MS),
    /** How often the progress of running jobs is written down. */
    saveProgressMs: z.coerce.number().int().min(100).default(5_000),
    /** Detail lines kept for each job: more for filers that log a line a file. */
    linesMax: z.coerce.number().int().min(100).default(20_000),
  })
  .strict();

export type Config = z.infer<typeof config>;
